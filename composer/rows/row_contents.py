"""What a row held when it was asked, as a digest of a few bytes for each row: so that no answer stands for a row that
has changed since.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from composer.rows.column_map import AskedRow, ColumnMap
from composer.rows.row import GivenRow

__all__ = ["RowContents", "content_of", "values_as_bytes"]

SIZE = 8
"""Bytes of a digest."""


def content_of(row: GivenRow, asked: AskedRow, mapped: ColumnMap) -> bytes:
    """A digest of what is read of a row: its columns as they are given, and the sizes of the files that they name.

    Where these lie is none of it: a folder of media may move.
    """
    values = {name: row.values.get(name) for name in mapped.read}
    files = [asked.values.get(name) for name in mapped.files]
    told = {"fault": row.fault, "values": values, "sizes": [size for each in files for size in _sizes(each)]}
    return hashlib.sha256(values_as_bytes(told)).digest()[:SIZE]


def values_as_bytes(values: Mapping[str, object]) -> bytes:
    """Values of any type, so that equal ones give equal bytes and others, as far as they can be told, do not."""
    return json.dumps(values, default=_told).encode()


def _told(value: object) -> str:
    """What stands for a value that JSON does not know: its content, where it has one."""
    if isinstance(value, bytes):
        return hashlib.sha256(value).hexdigest()
    if hasattr(value, "tobytes"):  # an array; two of one content and other shapes differ
        return f"{getattr(value, 'shape', '')}{hashlib.sha256(value.tobytes()).hexdigest()}"
    return repr(value) if isinstance(value, Path) else type(value).__name__


def _sizes(value: object) -> Iterator[int]:
    """Bytes of every file that a value names."""
    if isinstance(value, (list, tuple)):
        for each in value:
            yield from _sizes(each)
    elif isinstance(value, (str, Path)):
        with suppress(OSError, ValueError):  # what cannot be read is told when it is
            yield os.path.getsize(value)


class RowContents:
    """A file with the digest of every row at a place of its own, written when the row is asked.

    A row whose digest was lost, as a machine that loses power may lose it, counts as changed.
    """

    def __init__(self, path: Path, *, anew: bool) -> None:
        # Unbuffered: what was written is there for the next process, however this one ends.
        self._file = path.open("r+b" if path.exists() and not anew else "w+b", buffering=0)

    def note(self, row: int, content: bytes) -> None:
        """Keep what a row holds; rows are counted from 1."""
        self._file.seek((row - 1) * SIZE)
        self._file.write(content)

    def is_same(self, row: int, content: bytes) -> bool:
        """Whether a row held this when it was asked."""
        self._file.seek((row - 1) * SIZE)
        return self._file.read(SIZE) == content

    def close(self) -> None:
        self._file.close()
