"""Containers of boxes with a size in front: MP4 with its relatives, and AVI."""

from __future__ import annotations

from composer.media.structure.container_file import CutShortError, DamagedError, File, Verdict

__all__ = ["walk_avi", "walk_iso"]

MEDIA_BOXES = (b"moov", b"mdat", b"moof")
"""Without these a clip is not whole; the rest of the boxes, and what stands behind them, may be anything."""

UNFINISHED = (0, 0x7FFFFFFF, 0xFFFFFFFF)
"""Sizes that a writer leaves in an AVI header when it was stopped."""


def walk_iso(file: File) -> Verdict:
    """The boxes of an MP4, MOV, M4A, 3GP (ISO 14496-12)."""
    place = 0
    seen: set[bytes] = set()
    while place + 8 <= file.size:
        size, kind = file.number(place, 4), file.at(place + 4, 4)
        if size == 1:
            size = file.number(place + 8, 8)
        elif size == 0:
            size = file.size - place
        if size < 8 or not all(32 <= byte < 127 or byte == 0xA9 for byte in kind):
            return _behind_the_boxes(seen)
        if place + size > file.size:
            if kind in MEDIA_BOXES or not {b"moov", b"mdat"} <= seen:
                raise CutShortError
            return Verdict.WHOLE
        seen.add(kind)
        place += size
    if not {b"moov", b"mdat"} <= seen:
        raise CutShortError
    return Verdict.UNKNOWN if b"moof" in seen else Verdict.WHOLE


def _behind_the_boxes(seen: set[bytes]) -> Verdict:
    """Something that is not a box: telephones write notes behind an MP4; fragments must not be broken."""
    if b"moof" in seen or not {b"moov", b"mdat"} <= seen:
        raise DamagedError
    return Verdict.WHOLE


def walk_avi(file: File) -> Verdict:
    """The RIFF chunks of an AVI, and within them the chunks of its frames."""
    place = 0
    verdict = Verdict.WHOLE
    while place + 12 <= file.size and file.at(place, 4) == b"RIFF":
        size = file.number(place + 4, 4, little=True)
        end = place + 8 + size
        if size in UNFINISHED:
            end, verdict = file.size, Verdict.UNKNOWN
        _walk_chunks(file, place + 12, min(end, file.size))
        if end > file.size:
            raise CutShortError
        place = end + (end & 1)
    return verdict


def _walk_chunks(file: File, place: int, end: int) -> None:
    while place + 8 <= end:
        kind, size = file.at(place, 4), file.number(place + 4, 4, little=True)
        if not _is_chunk(kind):
            raise DamagedError
        if kind == b"LIST" and file.at(place + 8, 4) in (b"movi", b"rec "):
            size = 4 if size in UNFINISHED or place + 8 + size > end else size
            if size > 4:
                _walk_chunks(file, place + 12, place + 8 + size)
        place += 8 + size
        if place > end:
            raise CutShortError
        # Chunks begin at even places; some writers forget it.
        if size & 1 and not (place + 4 <= end and _is_chunk(file.at(place, 4))):
            place += 1


def _is_chunk(kind: bytes) -> bool:
    return len(kind) == 4 and all(32 <= byte < 127 for byte in kind)
