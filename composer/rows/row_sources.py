"""Where rows come from: the ending of a file says how it is read; Python may give rows of its own."""

from __future__ import annotations

import glob
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sized
from itertools import islice
from pathlib import Path

from composer.problems import InputError
from composer.rows.row import GivenRow, RowSource
from composer.rows.row_contents import values_as_bytes

__all__ = ["ENDINGS", "GivenRows", "is_read_once", "opened"]

ENDINGS = (".jsonl", ".ndjson", ".csv", ".tsv", ".parquet")
"""Endings of files with rows."""


class GivenRows:
    """Rows that Python gives: maps from columns to values, read once and in order."""

    columns = None
    names_files = False
    folder = None
    name = "the rows"

    def __init__(self, rows: Iterable[Mapping[str, object]]) -> None:
        self._rows = rows
        self.read_once = isinstance(rows, Iterator)

    def survey(self) -> tuple[int | None, str]:
        if not isinstance(self._rows, (list, tuple)):
            return len(self._rows) if isinstance(self._rows, Sized) else None, ""
        digest = hashlib.sha256()
        for row in self._rows:
            digest.update(values_as_bytes(row))
        return len(self._rows), digest.hexdigest()

    def rows(self, skipped: int = 0) -> Iterator[GivenRow]:
        for number, values in enumerate(islice(self._rows, skipped, None), skipped + 1):
            if isinstance(values, Mapping):
                yield GivenRow(number, values)
            else:
                yield GivenRow(
                    number,
                    fault=f"it is of the type {type(values).__name__}, not a map of columns and values",
                )


def is_read_once(source: RowSource) -> bool:
    """Whether rows come from an iterator of Python, which has no second pass."""
    return isinstance(source, GivenRows) and source.read_once


def opened(rows: str | Path | RowSource | Iterable[Mapping[str, object]]) -> RowSource:
    """The rows of a file, a saved data set, a pattern of files, or of Python. Raises InputError for what holds none."""
    if isinstance(rows, RowSource):
        return rows
    if not isinstance(rows, (str, Path)):
        return GivenRows(rows)
    path, text = Path(rows), str(rows)
    try:
        if path.is_file():
            return _file(path)
        if path.is_dir() and (saved := _saved(path)) is not None:
            return saved
        if path.is_dir() or glob.has_magic(text):
            from composer.rows.file_rows import FileRows

            return FileRows(text)
        if path.exists():
            raise InputError(
                f"{path} is a device or a pipe, and rows may be read twice: save them as a file first"
            )
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from None
    except ValueError as error:
        raise InputError(f"{text!r} is not a path: {error}") from None
    raise InputError(f"{path} does not exist: check the path, which starts at {Path.cwd()}")


def _saved(folder: Path) -> RowSource | None:
    """A data set of the library `datasets`; None for another folder. Raises InputError for one with several splits."""
    from composer.rows.arrow_folder import ArrowFolder, is_saved, saved_splits

    if splits := saved_splits(folder):
        raise InputError(f"{folder} holds several splits: name one of them, such as {folder / splits[0]}")
    return ArrowFolder(folder) if is_saved(folder) else None


def _file(path: Path) -> RowSource:
    ending = path.suffix.lower()
    if ending in (".jsonl", ".ndjson"):
        from composer.rows.json_lines import JsonLines

        return JsonLines(path)
    if ending in (".csv", ".tsv"):
        from composer.rows.delimited import DelimitedRows

        return DelimitedRows(path, "\t" if ending == ".tsv" else ",")
    if ending == ".parquet":
        from composer.rows.parquet import ParquetRows

        return ParquetRows(path)
    cure = (
        "write one JSON object per line and call it .jsonl"
        if ending == ".json"
        else "its ending says how it is read"
    )
    raise InputError(
        f'{path} is not a file of rows: {cure} ({", ".join(ENDINGS)}); pictures are given as "folder/*.png"'
    )
