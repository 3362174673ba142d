"""What a process that decodes is asked for, which answers it may give, and how requests are sent to it."""

from __future__ import annotations

import subprocess
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from composer.media.wire import send
from composer.problems.media_source import MediaSource

__all__ = ["Ahead", "DecodedArray", "MediaDecoder", "Wanted"]

MOST_BYTES_AHEAD = 4096
"""Of requests that are not answered yet, where there are several: less than a pipe holds, or both ends would wait."""
LARGEST_HEAD = 300
"""Bytes of a request besides its path and its content."""


@dataclass(frozen=True)
class MediaDecoder:
    """What turns files into arrays. Its package must not need its entry module for that."""

    read: str
    """`package.module:function`, called with a MediaSource and the fields of `Wanted.how`; gives a NumPy array, and
    raises InputError for what cannot be decoded."""
    what: str
    """What it decodes, in a sentence: `pictures and clips`."""
    ahead: tuple[str, ...] = ()
    """Modules that its process imports before it is asked, so that no file's time counts for them."""


@dataclass(frozen=True)
class Wanted:
    """What is wanted of every file, and the shapes of answers: a process in foreign hands may say anything."""

    how: Mapping[str, Any]
    """Values that JSON can hold."""
    least: tuple[int, ...]
    most: tuple[int, ...]
    item_bytes: int = 1

    def fits(self, shape: object) -> bool:
        """Whether an array may have this shape."""
        return (
            isinstance(shape, list)
            and len(shape) == len(self.least)
            and all(
                type(size) is int and least <= size <= most
                for least, size, most in zip(self.least, shape, self.most, strict=True)
            )
        )


@dataclass(frozen=True)
class DecodedArray:
    """An array as it came: its shape, and its values one after another in the machine's order of bytes."""

    shape: tuple[int, ...]
    content: bytes


class Ahead:
    """Requests to a process: the next one, and more of them while all that wait fit into any pipe."""

    def __init__(
        self, process: subprocess.Popen[bytes], sources: Sequence[MediaSource], wanted: Wanted, seconds: float
    ) -> None:
        # The process's own clock, for when nobody is here to end it, is that much later.
        self._common = {"seconds": seconds + 10, "how": dict(wanted.how)}
        self._process = process
        self._sources = iter(sources)
        self._next = next(self._sources, None)
        self._sizes: deque[int] = deque()

    @property
    def unanswered(self) -> int:
        return len(self._sizes)

    def send(self) -> None:
        """Send what may be sent now. What a process that has ended does not take, its missing answer tells."""
        assert self._process.stdin is not None
        while self._next is not None:
            content = self._next.content if isinstance(self._next.content, bytes) else b""
            path = None if isinstance(self._next.content, bytes) else str(self._next.content)
            head = {"name": self._next.name, "path": path, "bytes": len(content), **self._common}
            size = LARGEST_HEAD + 2 * len(path or "") + len(content)
            if self._sizes and sum(self._sizes) + size > MOST_BYTES_AHEAD:
                return
            self._sizes.append(size)
            self._next = next(self._sources, None)
            with suppress(OSError):
                send(self._process.stdin, head, content)

    def answered(self) -> None:
        self._sizes.popleft()
