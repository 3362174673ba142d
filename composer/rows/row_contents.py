"""What a row held when it was asked, as digests of a few bytes for each row: so that no answer stands for a row that
has changed since, or for a file that was replaced.
"""

from __future__ import annotations

import hashlib
import json
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import cached_property, lru_cache
from pathlib import Path

from composer.files import sha256_of
from composer.rows.column_map import AskedRow, ColumnMap
from composer.rows.row import GivenRow

__all__ = ["RowContent", "RowContents", "files_as_told", "values_as_bytes"]

SIZE = 8
"""Bytes of a digest."""
FILES_KEPT = 1024
"""Files whose digests are kept, for rows that name the same."""

_State = tuple[int, ...]


class RowContent:
    """What is read of a row: its columns as they are given, and the files that they name.

    Files count by what they hold: where they lie is none of it, for a folder of media may move. That is slow to see, so
    a digest of their states stands beside: files whose states are those of before are the same, and are not read again.
    """

    def __init__(self, row: GivenRow, asked: AskedRow, mapped: ColumnMap) -> None:
        values, unreadable = (
            {name: told.get(name) for name in mapped.read} for told in (row.values, row.unreadable)
        )
        self._told = values_as_bytes({"fault": row.fault, "unreadable": unreadable, "values": values})
        named = (asked.values.get(name) for name in mapped.files)
        self._files = [path for each in named for path in _paths(each)]

    @cached_property
    def by_state(self) -> bytes:
        """Of the columns and of the states of the files."""
        return self._with_files(_state)

    @cached_property
    def by_content(self) -> bytes:
        """Of the columns and of what the files hold."""
        return self._with_files(_content)

    def _with_files(self, told: Callable[[Path], object]) -> bytes:
        files = repr([told(each) for each in self._files]).encode()
        return hashlib.sha256(self._told + files).digest()[:SIZE]


def files_as_told(value: object) -> list[str | None]:
    """A digest of what each file holds that a value names; None for one that cannot be read."""
    return [_content(each) for each in _paths(value)]


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


def _paths(value: object) -> Iterator[Path]:
    """Every file that a value names."""
    if isinstance(value, (list, tuple)):
        for each in value:
            yield from _paths(each)
    elif isinstance(value, (str, Path)):
        yield Path(value)


def _state(path: Path) -> _State | None:
    """What changes where a file is written or replaced, its time set back or not; None where there is no such file."""
    with suppress(OSError, ValueError):  # what cannot be read is told when it is
        found = path.stat()
        if stat.S_ISREG(found.st_mode):
            return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
    return None


def _content(path: Path) -> str | None:
    state = _state(path)
    with suppress(OSError):
        return None if state is None else _content_in(path, state)
    return None


@lru_cache(FILES_KEPT)
def _content_in(path: Path, state: _State) -> str:
    """Of a file in one state."""
    return sha256_of(path)


class RowContents:
    """A file with the digests of every row at a place of its own, written when the row is asked.

    A row whose digests were lost, as a machine that loses power may lose them, counts as changed.
    """

    def __init__(self, path: Path, *, anew: bool) -> None:
        # Unbuffered: what was written is there for the next process, however this one ends.
        self._file = path.open("r+b" if path.exists() and not anew else "w+b", buffering=0)

    def note(self, row: int, content: RowContent) -> None:
        """Keep what a row holds; rows are counted from 1."""
        kept = (
            content.by_state + content.by_content
        )  # states first: a file that is written to meanwhile is another one
        self._file.seek((row - 1) * len(kept))
        self._file.write(kept)

    def is_same(self, row: int, content: RowContent) -> bool:
        """Whether a row held this when it was asked."""
        self._file.seek((row - 1) * 2 * SIZE)
        kept = self._file.read(2 * SIZE)
        return kept[:SIZE] == content.by_state or kept[SIZE:] == content.by_content

    def close(self) -> None:
        self._file.close()
