"""Matroska and WebM (RFC 9559): elements with a variable-length id and size."""

from __future__ import annotations

from composer.media.structure.container_file import CutShortError, DamagedError, File, Verdict

__all__ = ["walk_matroska"]

SEGMENT = 0x18538067
CLUSTER = 0x1F43B675
ANYWHERE = frozenset({0xEC, 0xBF})
"""Padding and checksums."""

IN_SEGMENT = ANYWHERE | {
    0x114D9B74,
    0x1549A966,
    0x1654AE6B,
    CLUSTER,
    0x1C53BB6B,
    0x1941A469,
    0x1043A770,
    0x1254C367,
}
IN_CLUSTER = ANYWHERE | {0xE7, 0xA7, 0xAB, 0xA3, 0xA0, 0xAF, 0x5854}


def walk_matroska(file: File) -> Verdict:
    """The segment, its elements, and the blocks of its clusters."""
    _, start, size = _element(file, 0)
    if size is None:
        raise DamagedError
    place = start + size
    while place < file.size:
        kind, start, size = _element(file, place)
        if kind == SEGMENT:
            return _walk_segment(file, start, size)
        if kind not in ANYWHERE or size is None:
            raise DamagedError
        place = start + size
    raise CutShortError


def _walk_segment(file: File, place: int, size: int | None) -> Verdict:
    end = file.size if size is None else place + size
    while place < min(end, file.size):
        kind, start, length = _element(file, place)
        if kind not in IN_SEGMENT:
            raise DamagedError
        if kind == CLUSTER:
            place = _walk_cluster(file, start, length)
        elif length is None:
            raise DamagedError
        else:
            place = start + length
        if place > file.size:
            raise CutShortError
    if end > file.size:
        raise CutShortError
    return Verdict.UNKNOWN if size is None else Verdict.WHOLE


def _walk_cluster(file: File, place: int, size: int | None) -> int:
    """Where the cluster ends. One of unknown size ends where an element of the segment begins."""
    end = file.size if size is None else place + size
    while place < min(end, file.size):
        kind, start, length = _element(file, place)
        if size is None and kind in IN_SEGMENT and kind not in ANYWHERE:
            return place
        if kind not in IN_CLUSTER or length is None or (size is not None and start + length > end):
            raise DamagedError
        place = start + length
    return max(place, end) if size is not None else place


def _element(file: File, place: int) -> tuple[int, int, int | None]:
    """The id at a place, where its content starts, and its size; None for "unknown", which live writers use."""
    head = file.at(place, min(12, file.size - place))  # one reading: a long clip has very many blocks
    length = _width(head, 0, 4)
    width = _width(head, length, 8)
    if length + width > len(head):
        raise CutShortError
    kind = int.from_bytes(head[:length], "big")
    unknown = (1 << 7 * width) - 1
    size = int.from_bytes(head[length : length + width], "big") & unknown
    return kind, place + length + width, None if size == unknown else size


def _width(head: bytes, at: int, most: int) -> int:
    """How many bytes a number takes: one more than its first byte has leading zero bits."""
    if at >= len(head):
        raise CutShortError
    width = 9 - head[at].bit_length()
    if width > most:
        raise DamagedError
    return width
