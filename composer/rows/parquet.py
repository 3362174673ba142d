"""Rows of a Parquet file, and answers as one: the only part of the project that needs pyarrow."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from composer.problems import InputError
from composer.rows.row import GivenRow, hold_columns

if TYPE_CHECKING:
    pass

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
                for values in batch.to_pylist():
                    number += 1
                    if number > skipped:
                        yield GivenRow(number, values)
        except (OSError, ValueError, ArithmeticError) as error:
            raise self._unreadable(error) from None
        finally:
            file.close()

    def _opened(self) -> Any:
        library = _library()
        try:
            return library.ParquetFile(self.path)
        except (OSError, ValueError) as error:
            raise self._unreadable(error) from None

    def _unreadable(self, error: Exception) -> InputError:
        reason = str(error).partition("\n")[0].rstrip(".")
        return InputError(f"{self.path} cannot be read as Parquet: {reason}")


def check_installed() -> None:
    """Raise InputError where Parquet cannot be written."""
    _library()


def write_parquet(lines: Path, columns: Sequence[str], file: BinaryIO) -> None:
    """Write answers, one JSON object of plain columns per line, as Parquet. Read twice, a part at a time."""
    library = _library()
    import pyarrow as pa

    schema = pa.schema([pa.field(name, pa.null()) for name in columns])
    for part in _parts(lines):
        found = pa.Table.from_pylist(part).schema
        schema = pa.unify_schemas([schema, found], promote_options="permissive")
    schema = pa.schema(
        [field if field.type != pa.null() else field.with_type(pa.string()) for field in schema]
    )
    with library.ParquetWriter(file, schema) as writer:
        for part in _parts(lines):
            writer.write_table(pa.Table.from_pylist(part, schema=schema))


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
