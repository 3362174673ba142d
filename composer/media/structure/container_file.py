"""What the walkers of all containers share: the verdict, and a file that knows its length."""

from __future__ import annotations

import os
from enum import Enum
from typing import BinaryIO

__all__ = ["CutShortError", "DamagedError", "File", "Verdict"]


class Verdict(Enum):
    """What the structure of a file says about its end."""

    WHOLE = "whole"
    """Every part is there, up to the end that the container declares."""
    CUT = "cut"
    """The file ends inside a part."""
    DAMAGED = "damaged"
    """The chain of parts is broken before the end."""
    UNKNOWN = "unknown"
    """The container does not say how long it is, or it is not one of those that are walked."""


class CutShortError(Exception):
    """Raised by a walker where the file ends inside a part."""


class DamagedError(Exception):
    """Raised by a walker where something else stands than a part."""


class File:
    """Reads headers of a stream at given places; a place beyond the end is what `CutShortError` means."""

    def __init__(self, stream: BinaryIO) -> None:
        self.stream = stream
        self.size = stream.seek(0, os.SEEK_END)

    def at(self, place: int, length: int) -> bytes:
        """`length` bytes from `place`."""
        if place + length > self.size:
            raise CutShortError
        self.stream.seek(place)
        return self.stream.read(length)

    def number(self, place: int, length: int, *, little: bool = False) -> int:
        """The unsigned number of `length` bytes at `place`, big-endian unless told otherwise."""
        return int.from_bytes(self.at(place, length), "little" if little else "big")
