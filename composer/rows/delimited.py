"""Rows of a file with commas (or tabs) between values, and a first line that names the columns."""

from __future__ import annotations

import csv
import hashlib
from array import array
from collections.abc import Generator, Iterator
from contextlib import closing
from pathlib import Path
from typing import BinaryIO

from composer.files import is_utf8
from composer.plugin.csv_records import csv_records
from composer.problems import InputError
from composer.rows.json_lines import LONGEST_LINE
from composer.rows.row import GivenRow, hold_columns

__all__ = ["DelimitedRows"]


class _CountedLines:
    """The lines of a file as texts, with where the next one begins: a record may have several."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.offset = file.tell()

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._file.readline()
        if not line:
            raise StopIteration
        text = (line.removeprefix(b"\xef\xbb\xbf") if self.offset == 0 else line).decode(
            "utf-8", "surrogateescape"
        )
        self.offset += len(line)
        return text


class DelimitedRows:
    """The rows of a CSV or TSV file; every value is a text."""

    names_files = False

    def __init__(self, path: Path, delimiter: str = ",") -> None:
        self.path = path
        self.name = str(path)
        self.folder = path.absolute().parent
        self._delimiter = delimiter
        with closing(self._records()) as records:
            head = next(records, None)
        if head is None:
            raise InputError(f"{path} is empty: its first line names the columns")
        self._hold_line_ends()
        if isinstance(head, str):
            raise InputError(f"{path}: the line that names the columns cannot be read: {head}")
        if not all(is_utf8(name) and "\0" not in name for name in head):  # UTF-16 has zeros
            raise InputError(f"{path}: the line that names the columns is not UTF-8: save the file as UTF-8")
        self.columns = tuple(name.strip() for name in head)
        hold_columns(path, self.columns)

    def _hold_line_ends(self) -> None:
        """Rows are found by their line feeds: a file without any would be one row."""
        returns = 0
        with self.path.open("rb") as file:
            while piece := file.read(1 << 16):
                if b"\n" in piece:
                    return
                returns += piece.count(b"\r")
        if returns:
            raise InputError(
                f"{self.path}: its lines end with carriage returns alone: save it with line feeds"
            )

    def survey(self) -> tuple[int, str]:
        digest = hashlib.sha256()
        with self.path.open("rb") as file:
            while content := file.read(1 << 20):
                digest.update(content)
        with closing(self._records()) as records:
            return sum(1 for _ in records) - 1, digest.hexdigest()

    def rows(self, skipped: int = 0) -> Iterator[GivenRow]:
        with closing(self._records()) as records:
            next(records, None)
            for number, record in enumerate(records, 1):
                if number > skipped:
                    yield self._row(number, record)

    def places(self) -> tuple[array[int], array[int]]:
        """Where every row begins, and the number of its first line: with them `at` reads any of them."""
        begins, numbers = array("Q"), array("Q")
        csv.field_size_limit(max(LONGEST_LINE, csv.field_size_limit()))
        with self.path.open("rb") as file:
            lines = _CountedLines(file)
            records = csv_records(lines, self._delimiter)
            while True:
                begin = lines.offset
                number, record = next(records, (0, ""))
                if not number:
                    break
                if record:
                    begins.append(begin)
                    numbers.append(number)
        return begins[1:], numbers[1:]  # the first one names the columns

    def at(self, file: BinaryIO, row: int, begin: int, number: int) -> GivenRow:
        """The row that begins there, in the file that was opened."""
        file.seek(begin)
        _, record = next(csv_records(_CountedLines(file), self._delimiter, first=number))
        return self._row(row, record)

    def _row(self, number: int, record: list[str] | str) -> GivenRow:
        if isinstance(record, str):
            return GivenRow(number, fault=record)
        if len(record) != len(self.columns):
            noun = "value" if len(record) == 1 else "values"
            return GivenRow(
                number,
                fault=f"it has {len(record)} {noun}, and the first line names {len(self.columns)} columns",
            )
        for name, text in zip(self.columns, record, strict=True):
            if not is_utf8(text):
                return GivenRow(number, fault=f"column `{name}` is not UTF-8: save the file as UTF-8")
        return GivenRow(number, dict(zip(self.columns, record, strict=True)))

    def _records(self) -> Generator[list[str] | str, None, None]:
        """Every record with content, the columns first; of one that cannot be read, why."""
        csv.field_size_limit(max(LONGEST_LINE, csv.field_size_limit()))
        with self.path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            for _, record in csv_records(file, self._delimiter):
                if record:
                    yield record
