"""Rows of a Parquet file, and answers as one: the only part of the project that needs pyarrow."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from composer.problems import InputError
from composer.problems.render.machine import json_text
from composer.rows.arrow_values import CONVERSION_ERRORS, arrow_rows, reason_of
from composer.rows.row import GivenRow, hold_columns

__all__ = ["ParquetRows", "write_parquet"]

ROWS_AT_ONCE = 256


def _library() -> Any:
    """pyarrow's module for Parquet. Raises InputError where it is not installed."""
    try:
        import pyarrow.parquet
    except ImportError:
        raise InputError(
            'Parquet files need pyarrow: pip install "multimodal-composer[rows]", or give the rows as .jsonl or .csv'
        ) from None
    return pyarrow.parquet


class ParquetRows:
    """The rows of a Parquet file, a few at a time."""

    names_files = False

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = str(path)
        self.folder = path.absolute().parent
        file = self._opened()
        self.columns: tuple[str, ...] = tuple(file.schema_arrow.names)
        self._count: int = file.metadata.num_rows
        file.close()
        hold_columns(path, self.columns)

    def survey(self) -> tuple[int, str]:
        digest = hashlib.sha256()
        with self.path.open("rb") as file:
            while content := file.read(1 << 20):
                digest.update(content)
        return self._count, digest.hexdigest()

    def rows(self, skipped: int = 0) -> Iterator[GivenRow]:
        file = self._opened()
        try:
            groups = range(file.metadata.num_row_groups)
            sizes = [file.metadata.row_group(group).num_rows for group in groups]
            number = first = 0
            while first < len(sizes) and number + sizes[first] <= skipped:
                number += sizes[first]
                first += 1
            for batch in file.iter_batches(ROWS_AT_ONCE, row_groups=list(groups)[first:]):
                yield from (row for row in arrow_rows(batch, number + 1) if row.number > skipped)
                number += batch.num_rows
        except CONVERSION_ERRORS as error:
            raise self._unreadable(error) from None
        finally:
            file.close()

    def _opened(self) -> Any:
        library = _library()
        try:
            return library.ParquetFile(self.path)
        except CONVERSION_ERRORS as error:
            raise self._unreadable(error) from None

    def _unreadable(self, error: Exception) -> InputError:
        return InputError(f"{self.path} cannot be read as Parquet: {reason_of(error)}")


def check_installed() -> None:
    """Raise InputError where Parquet cannot be written."""
    _library()


def write_parquet(lines: Path, columns: Sequence[str], file: BinaryIO) -> None:
    """Write answers, one JSON object of plain columns per line, as Parquet. Read a part at a time, several times.

    A column has one type there. One whose values have several, or what no type holds, has texts: its values as JSON.
    """
    library = _library()
    import pyarrow as pa

    types = _column_types(lines, columns)
    schema = pa.schema(
        [pa.field(name, pa.string() if each is None else each) for name, each in types.items()]
    )
    with library.ParquetWriter(file, schema) as writer:
        for part in _parts(lines):
            found = [_column([row.get(name) for row in part], each) for name, each in types.items()]
            writer.write_table(pa.Table.from_arrays(found, schema=schema))


def _column_types(lines: Path, columns: Sequence[str]) -> dict[str, Any]:
    """The type that holds every value of each column; None where none does."""
    import pyarrow as pa

    types: dict[str, Any] = dict.fromkeys(columns, pa.null())
    for look in (_widened, _held):  # what holds the values of every part is known behind the last one
        for part in _parts(lines):
            for name, type_ in types.items():
                if type_ is not None:
                    types[name] = look([row.get(name) for row in part], type_)
    return {name: type_ if _is_storable(type_) else None for name, type_ in types.items()}


def _is_storable(type_: Any) -> bool:
    """Whether Parquet has the type: it has none for maps of which each is empty."""
    import pyarrow as pa

    if type_ is None or type_ == pa.null():
        return False
    try:
        _library().ParquetWriter(pa.BufferOutputStream(), pa.schema([("column", type_)])).close()
    except pa.ArrowNotImplementedError:
        return False
    return True


def _widened(values: list[Any], type_: Any) -> Any:
    """The type that holds these values too; None where there is none."""
    import pyarrow as pa

    try:
        both = [pa.schema([("column", each)]) for each in (type_, pa.array(values).type)]
        return pa.unify_schemas(both, promote_options="permissive").types[0]
    except (pa.ArrowException, UnicodeEncodeError, OverflowError):
        return None


def _held(values: list[Any], type_: Any) -> Any:
    """The type, where it holds these values as they are."""
    import pyarrow as pa

    try:
        _column(values, type_)
    except (pa.ArrowException, UnicodeEncodeError, OverflowError):
        return None
    return type_


def _column(values: list[Any], type_: Any) -> Any:
    """Values as a column of a type, or of texts. Raises what pyarrow raises of a value that the type does not hold."""
    import pyarrow as pa

    if type_ is not None:
        return pa.array(values, type_)
    return pa.array([None if value is None else _text(value) for value in values], pa.string())


def _text(value: object) -> str:
    text = value if isinstance(value, str) else json_text(value, indent=None)
    return text.encode("utf-8", "backslashreplace").decode()


def _parts(lines: Path) -> Iterator[list[dict[str, Any]]]:
    part: list[dict[str, Any]] = []
    with lines.open("rb") as file:
        for line in file:
            part.append(json.loads(line))
            if len(part) == ROWS_AT_ONCE:
                yield part
                part = []
    if part:
        yield part
