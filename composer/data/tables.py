"""Tables of people's own data: any row can be read when its turn comes, and none is held in memory."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, Protocol

from composer.problems import InputError
from composer.rows.row import GivenRow, RowSource

__all__ = ["LineTable", "Table", "opened_table"]

ENDINGS = (".jsonl", ".ndjson", ".csv", ".tsv", ".parquet")


class Table(RowSource, Protocol):
    """Rows by their places, from 0; columns are mapped as those of any rows."""

    @property
    def class_names(self) -> Mapping[str, Sequence[str]]:
        """Columns whose values are numbers of classes, with the names of these, where the data say them."""

    def __len__(self) -> int: ...

    def row(self, index: int) -> GivenRow:
        """One row."""

    def title(self, index: int) -> str:
        """What messages call a row: `train.csv, row 3`."""


class _Lines(Protocol):
    """What reads a file of lines: `JsonLines` and `DelimitedRows`."""

    path: Path
    name: str
    folder: Path

    @property
    def columns(self) -> tuple[str, ...] | None: ...

    def survey(self) -> tuple[int, str]: ...

    def rows(self, skipped: int = 0) -> Iterator[GivenRow]: ...

    def places(self) -> tuple[Sequence[int], Sequence[int]]: ...

    def at(self, file: BinaryIO, row: int, begin: int, number: int) -> GivenRow: ...


class LineTable:
    """A CSV, TSV or JSON Lines file. Held is where each row begins: 16 bytes of it."""

    names_files = False
    class_names: Mapping[str, Sequence[str]] = {}

    def __init__(self, lines: _Lines) -> None:
        self._lines = lines
        self.name, self.folder, self.columns = lines.name, lines.folder, lines.columns
        self._begins, self._numbers = lines.places()
        self._size = os.path.getsize(lines.path)

    def __len__(self) -> int:
        return len(self._begins)

    def row(self, index: int) -> GivenRow:
        """One row. Raises InputError where the file has changed since it was opened."""
        try:
            with self._lines.path.open("rb") as file:
                if os.fstat(file.fileno()).st_size == self._size:
                    return self._lines.at(file, index + 1, self._begins[index], self._numbers[index])
        except OSError as error:
            raise InputError(f"{self.name} cannot be read: {error.strerror or error}") from None
        raise InputError(f"{self.name} has changed while it was read: begin again")

    def title(self, index: int) -> str:
        return f"{self.name}, row {index + 1} (line {self._numbers[index]})"

    def rows(self, skipped: int = 0) -> Iterator[GivenRow]:
        return self._lines.rows(skipped)

    def survey(self) -> tuple[int, str]:
        return self._lines.survey()


def opened_table(path: Path) -> Table:
    """The table of a file, of a folder of pictures in folders of classes, or of a data set that was saved on disk.

    Raises InputError for what holds no rows.
    """
    try:
        if path.is_dir():
            return _of_folder(path)
        if not path.exists():
            raise InputError(f"{path} does not exist: check the path, which starts at {Path.cwd()}")
        if not path.is_file():
            raise InputError(
                f"{path} is a device or a pipe, and its rows are read many times: save them as a file"
            )
        table = _of_file(path)
        if not len(table):
            raise InputError(
                f"{path} has no rows: " + ("the file is empty" if not path.stat().st_size else "give it some")
            )
        return table
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from None
    except ValueError as error:
        raise InputError(f"{str(path)!r} is not a path: {error}") from None


def _of_folder(path: Path) -> Table:
    from composer.rows.arrow_folder import ArrowFolder, is_saved

    if is_saved(path):
        return ArrowFolder(path)
    from composer.data.class_folders import ClassFolders

    return ClassFolders(path)


def _of_file(path: Path) -> Table:
    ending = path.suffix.lower()
    if ending in (".jsonl", ".ndjson"):
        from composer.rows.json_lines import JsonLines

        return LineTable(JsonLines(path))
    if ending in (".csv", ".tsv"):
        from composer.rows.delimited import DelimitedRows

        return LineTable(DelimitedRows(path, "\t" if ending == ".tsv" else ","))
    if ending == ".parquet":
        from composer.data.parquet_table import ParquetTable

        return ParquetTable(path)
    cure = (
        "write one JSON object per line and call it .jsonl"
        if ending == ".json"
        else "its ending says how it is read"
    )
    raise InputError(
        f"{path} is not a file of rows: {cure} ({', '.join(ENDINGS)}); a folder has pictures in a folder for each class"
    )
