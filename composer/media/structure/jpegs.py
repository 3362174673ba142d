"""JPEG pictures one after another (ITU T.81, annex B): the segments of each, and the marks in its scans."""

from __future__ import annotations

import re
from typing import BinaryIO

from composer.media.structure.container_file import CutShortError, DamagedError, File, Verdict

__all__ = ["walk_jpegs", "whole_pictures"]

FIRST_CHUNK, CHUNK = 1 << 8, 1 << 20
"""A search reads little at first and then ever more: what it finds is mostly near, and a file may have many."""
BEGINS, ENDS, SCAN = 0xD8, 0xD9, 0xDA
ALONE = frozenset((0x01, *range(0xD0, 0xD8)))
"""Marks without a segment."""
RESERVED = range(0x02, 0xC0)
"""Marks that no picture has: where one stands, other bytes have taken the place of the picture's."""
_MARK = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
"""What ends a scan: a mark that neither stands for the byte FF nor restarts the scan."""
_START = re.compile(rb"\xff\xd8\xff")


def walk_jpegs(file: File) -> Verdict:
    """Pictures up to the end; what stands between them may be anything."""
    start = _find(file, _START, 0)
    while start is not None:
        start = _find(file, _START, _end_of_picture(file, start))
    return Verdict.UNKNOWN


def whole_pictures(stream: BinaryIO) -> int:
    """How many whole pictures stand before the end, or before the first that is not whole."""
    file, count = File(stream), 0
    try:
        start = _find(file, _START, 0)
        while start is not None:
            end = _end_of_picture(file, start)
            count += 1
            start = _find(file, _START, end)
    except (CutShortError, DamagedError):
        pass
    return count


def _end_of_picture(file: File, place: int) -> int:
    place += 2
    while True:
        if file.number(place, 1) != 0xFF:
            raise DamagedError
        mark = file.number(place + 1, 1)
        if mark == ENDS:
            return place + 2
        if mark in ALONE or mark == 0xFF:  # FF may be repeated before a mark
            place += 1 if mark == 0xFF else 2
            continue
        if mark in RESERVED or mark in (0, BEGINS):
            raise DamagedError
        length = file.number(place + 2, 2)
        if length < 2:
            raise DamagedError
        place += 2 + length
        if place > file.size:
            raise CutShortError
        if mark == SCAN:
            found = _find(file, _MARK, place)
            if found is None:
                raise CutShortError
            place = found


def _find(file: File, pattern: re.Pattern[bytes], place: int) -> int | None:
    """Where the pattern, of two or three bytes, comes next. One that a border cuts is found in the next chunk."""
    length = FIRST_CHUNK
    while place < file.size:
        chunk = file.at(place, min(length, file.size - place))
        found = pattern.search(chunk)
        if found is not None:
            return place + found.start()
        if place + len(chunk) >= file.size:
            return None
        place += max(1, len(chunk) - 2)
        length = min(2 * length, CHUNK)
    return None
