"""Containers that are a row of packets: FLV, Ogg, IVF, Y4M, GIF, ASF, MPEG program and transport streams."""

from __future__ import annotations

import re

from composer.media.structure.container_file import CutShortError, DamagedError, File, Verdict

__all__ = [
    "walk_asf",
    "walk_flv",
    "walk_gif",
    "walk_ivf",
    "walk_ogg",
    "walk_program_stream",
    "walk_transport_stream",
    "walk_y4m",
]


def walk_flv(file: File) -> Verdict:
    """Tags of sound, pictures and notes, each followed by its length."""
    place = file.number(5, 4) + 4
    while place < file.size:
        if file.number(place, 1) & 0x1F not in (8, 9, 18):
            raise DamagedError
        length = file.number(place + 1, 3) + 11
        if file.number(place + length, 4) not in (length, 0):
            raise DamagedError
        place += length + 4
    return Verdict.UNKNOWN


OGG_LAST = 4
"""The flag of the last page of a stream."""


def walk_ogg(file: File) -> Verdict:
    """Pages, each with a table of its segments; the last page of every stream is marked (RFC 3533)."""
    place = 0
    open_streams: set[bytes] = set()
    while place < file.size:
        if file.at(place, min(4, file.size - place)) != b"OggS"[: file.size - place]:
            raise DamagedError
        flags, stream, segments = (
            file.number(place + 5, 1),
            file.at(place + 14, 4),
            file.number(place + 26, 1),
        )
        open_streams.add(stream)
        if flags & OGG_LAST:
            open_streams.discard(stream)
        place += 27 + segments + sum(file.at(place + 27, segments))
    if place > file.size or open_streams:
        raise CutShortError
    return Verdict.UNKNOWN


def walk_ivf(file: File) -> Verdict:
    """Frames with their size in front."""
    place = file.number(6, 2, little=True)
    while place < file.size:
        place += 12 + file.number(place, 4, little=True)
    if place > file.size:
        raise CutShortError
    return Verdict.UNKNOWN


def walk_y4m(file: File) -> Verdict:
    """Frames of one size, which the first line gives."""
    head = file.at(0, min(file.size, 256)).split(b"\n")[0]
    found = re.search(rb" W(\d{1,6})", head), re.search(rb" H(\d{1,6})", head)
    if not all(found):
        raise DamagedError
    width, height = (int(each[1]) for each in found if each)
    frame = _y4m_frame(width, height, re.search(rb" C(\S+)", head))
    if frame is None:
        return Verdict.UNKNOWN
    place = len(head) + 1
    while place < file.size:
        line = file.at(place, min(80, file.size - place)).split(b"\n")[0]
        if not line.startswith(b"FRAME"[: file.size - place]):
            raise DamagedError
        place += len(line) + 1 + frame
    if place > file.size:
        raise CutShortError
    return Verdict.WHOLE


def _y4m_frame(width: int, height: int, colours: re.Match[bytes] | None) -> int | None:
    """Bytes of one frame, None where the colour format is not one that is known here."""
    name = colours[1].decode("ascii", "replace") if colours else "420jpeg"
    chroma = {"420": ((width + 1) // 2) * ((height + 1) // 2), "422": (width + 1) // 2 * height}
    chroma |= {"444": width * height, "mono": 0}
    form = re.fullmatch(r"(420|422|444|mono)(?:jpeg|mpeg2|paldv)?(p?\d{1,2})?", name)
    if form is None:
        return None
    deep = int((form[2] or "8").lstrip("p")) > 8
    return (width * height + 2 * chroma[form[1]]) * (2 if deep else 1)


def walk_gif(file: File) -> Verdict:
    """Blocks up to the trailer, which some writers forget."""
    place = 13 + _colours(file.number(10, 1))
    while place < file.size:
        kind = file.number(place, 1)
        if kind == 0x3B:
            return Verdict.WHOLE
        if kind == 0x21:
            place = _sub_blocks(file, place + 2)
        elif kind == 0x2C:
            place = _sub_blocks(file, place + 11 + _colours(file.number(place + 9, 1)))
        elif kind == 0:
            place += 1
        else:
            raise DamagedError
    return Verdict.UNKNOWN


def _colours(flags: int) -> int:
    """Bytes of the colour table that a GIF's flags announce."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _sub_blocks(file: File, place: int) -> int:
    while length := file.number(place, 1):
        place += 1 + length
    return place + 1


ASF_DATA = bytes.fromhex("3626b2758e66cf11a6d900aa0062ce6c")


def walk_asf(file: File) -> Verdict:
    """Objects; the data object holds packets of one size, which begin with a byte of error correction."""
    place = 0
    while place < file.size:
        kind, size = file.at(place, 16), file.number(place + 16, 8, little=True)
        if size < 24:
            raise DamagedError
        if place + size > file.size:
            raise CutShortError
        if kind == ASF_DATA:
            _walk_asf_packets(file, place, size)
        place += size
    return Verdict.WHOLE


def _walk_asf_packets(file: File, place: int, size: int) -> None:
    count = file.number(place + 40, 2, little=True) | file.number(place + 42, 4, little=True) << 16
    body = size - 50
    if not count or body % count:
        return
    for index in range(count):
        if not file.number(place + 50 + index * (body // count), 1) & 0x80:
            raise DamagedError


def walk_program_stream(file: File) -> Verdict:
    """Packs and packets of an MPEG program stream, each found by its start code."""
    place = 0
    while place < file.size:
        if file.at(place, min(3, file.size - place)) != b"\0\0\x01"[: file.size - place]:
            if file.number(place, 1):
                raise DamagedError
            place += 1  # stuffing
            continue
        code = file.number(place + 3, 1)
        if code == 0xBA and file.number(place + 4, 1) >> 6 == 1:
            place += 14 + (file.number(place + 13, 1) & 7)
        elif code == 0xBA:
            place += 12
        elif code == 0xB9:
            place += 4
        elif code >= 0xBB:
            place += 6 + file.number(place + 4, 2)
        else:
            raise DamagedError
    if place > file.size:
        raise CutShortError
    return Verdict.UNKNOWN


TAIL = 2000
"""How many transport packets at the end are looked into."""


class _TransportStream:
    """Packets of 188 bytes, with a time code in front (192) or a checksum behind (204)."""

    LAYOUTS = ((188, 0), (192, 4), (204, 0))

    def begins(self, file: File) -> bool:
        return self._layout(file) is not None

    def __call__(self, file: File) -> Verdict:
        layout = self._layout(file)
        assert layout is not None  # asked before
        length, first = layout
        block = length * 4096
        for place in range(0, file.size, block):
            marks = file.at(place, min(block, file.size - place))[first::length]
            if marks.strip(b"\x47"):
                raise DamagedError
        if file.size % length:
            raise CutShortError
        self._check_last_packets(file, length, first)
        return Verdict.UNKNOWN

    def _check_last_packets(self, file: File, length: int, first: int) -> None:
        """The last packets of sound say how long they are (those of pictures seldom do)."""
        missing: dict[int, int] = {}
        for place in range(max(0, file.size - length * TAIL), file.size, length):
            packet = file.at(place + first, 188)
            program, flags = int.from_bytes(packet[1:3], "big"), packet[3] >> 4
            body = packet[4 + (1 + packet[4] if flags & 2 else 0) :] if flags & 1 else b""
            program, starts = program & 0x1FFF, bool(program & 0x4000)
            if starts:
                promised = int.from_bytes(body[4:6], "big") + 6 if body[:3] == b"\0\0\x01" else 6
                missing[program] = promised if promised > 6 else 0
            if program in missing:
                missing[program] -= len(body)
        if any(rest > 0 for rest in missing.values()):
            raise CutShortError

    def _layout(self, file: File) -> tuple[int, int] | None:
        for length, first in self.LAYOUTS:
            marks = file.at(0, min(file.size, length * 4))[first::length]
            if len(marks) > 2 and not marks.strip(b"\x47"):
                return length, first
        return None


walk_transport_stream = _TransportStream()
