"""Rows of a file with one JSON object per line."""

from __future__ import annotations

import hashlib
import json
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from composer.rows.row import GivenRow

__all__ = ["LONGEST_LINE", "JsonLines"]

LONGEST_LINE = 64 * 1024 * 1024
"""Bytes of one line; a longer one is no row that somebody wrote."""
_BOM = b"\xef\xbb\xbf"


class JsonLines:
    """The rows of a JSON Lines file. A line that is not a JSON object is a row with a fault."""

    columns = None
    names_files = False

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = str(path)
        self.folder = path.absolute().parent

    def survey(self) -> tuple[int, str]:
        count, digest = 0, hashlib.sha256()
        with self.path.open("rb") as file:
            for _, line, whole in _lines(file):
                count += 1
                digest.update(line if whole else b"too long")
        return count, digest.hexdigest()

    def rows(self, skipped: int = 0) -> Iterator[GivenRow]:
        with self.path.open("rb") as file:
            for row, (number, line, whole) in enumerate(_lines(file), 1):
                if row > skipped:
                    yield _row(row, number, line, whole)

    def places(self) -> tuple[array[int], array[int]]:
        """Where every row begins, and the number of its line: with them `at` reads any of them."""
        begins, numbers = array("Q"), array("Q")
        with self.path.open("rb") as file:
            for number, _, _, begin in _placed(file):
                begins.append(begin)
                numbers.append(number)
        return begins, numbers

    def at(self, file: BinaryIO, row: int, begin: int, number: int) -> GivenRow:
        """The row that begins there, in the file that was opened."""
        file.seek(begin)
        line = file.readline(LONGEST_LINE)
        whole = len(line) < LONGEST_LINE or line.endswith(b"\n")
        return _row(row, number, line.removeprefix(_BOM) if begin == 0 else line, whole)


def _lines(file: BinaryIO) -> Iterator[tuple[int, bytes, bool]]:
    """Every line that has content, with its number and whether it is all of the line."""
    return ((number, line, whole) for number, line, whole, _ in _placed(file))


def _placed(file: BinaryIO) -> Iterator[tuple[int, bytes, bool, int]]:
    """The same, and where the line begins."""
    number = following = 0
    while line := file.readline(LONGEST_LINE):
        number += 1
        begin, following = following, following + len(line)
        whole = len(line) < LONGEST_LINE or line.endswith(b"\n")
        if not whole:
            while rest := file.readline(LONGEST_LINE):
                following += len(rest)
                if rest.endswith(b"\n"):
                    break
        if number == 1:
            line = line.removeprefix(_BOM)
        if line.strip():
            yield number, line, whole, begin


def _row(row: int, number: int, line: bytes, whole: bool) -> GivenRow:
    where = f"line {number}"
    if not whole:
        return GivenRow(row, fault=f"{where} is longer than {LONGEST_LINE:,} bytes")
    try:
        value = json.loads(line.decode("utf-8"), object_pairs_hook=_object)
    except UnicodeDecodeError as error:
        return GivenRow(
            row, fault=f"{where} is not UTF-8: byte {error.start + 1} of it is {line[error.start]:#x}"
        )
    except _TwiceError as error:
        return GivenRow(row, fault=f"{where} has the key `{error}` twice")
    except json.JSONDecodeError as error:
        return GivenRow(row, fault=f"{where} is not JSON: {error.msg} at its character {error.pos + 1}")
    except (
        ValueError,
        RecursionError,
    ) as error:  # a number of 5,000 digits, brackets in brackets without end
        return GivenRow(row, fault=f"{where} is not JSON that can be read: {str(error).partition(':')[0]}")
    if not isinstance(value, dict):
        return GivenRow(row, fault=f"{where} is a {_name(value)}, not an object of columns and values")
    return GivenRow(row, value)


class _TwiceError(ValueError):
    """A key that an object has twice."""


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise _TwiceError(next(key for key in keys if keys.count(key) > 1))
    return found


def _name(value: object) -> str:
    names = {list: "list", str: "string", bool: "truth value", type(None): "null"}
    return names.get(type(value), "number")
