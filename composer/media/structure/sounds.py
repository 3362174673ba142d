"""Containers of sound alone: WAV with its larger relatives, AIFF, AU, CAF, and the frames of MPEG audio and AC-3."""

from __future__ import annotations

import re

from composer.media.structure.container_file import CutShortError, DamagedError, File, Verdict

__all__ = [
    "begins_mpeg_audio",
    "walk_ac3",
    "walk_aiff",
    "walk_au",
    "walk_caf",
    "walk_mpeg_audio",
    "walk_w64",
    "walk_wav",
]

UNSAID_32 = 0x7FFF_0000
"""The header of a file that was written before its sound, by what could not go back, says more bytes than this."""
UNSAID_64 = 1 << 62


def walk_wav(file: File) -> Verdict:
    """The chunks of a WAV up to its sound; one beyond 4 GB (RF64) says its length in a chunk of its own."""
    place = 12
    while True:
        kind, size = file.at(place, 4), file.number(place + 4, 4, little=True)
        if kind == b"data":
            if size == 0xFFFF_FFFF and file.at(12, 4) == b"ds64":
                return _ends(file, place + 8, file.number(28, 8, little=True), UNSAID_64)
            return _ends(file, place + 8, size, UNSAID_32)
        place += 8 + size + size % 2


W64_SOUND = bytes.fromhex("64617461f3acd3118cd100c04f8edb8a")


def walk_w64(file: File) -> Verdict:
    """Chunks with an id of 16 bytes, their size with its head, at places that are multiples of eight."""
    place = 40
    while True:
        kind, size = file.at(place, 16), file.number(place + 16, 8, little=True)
        if size < 24:
            raise DamagedError
        if kind == W64_SOUND:
            return _ends(file, place, size, UNSAID_64)
        place += (size + 7) // 8 * 8


def walk_aiff(file: File) -> Verdict:
    """The chunks of an AIFF or AIFF-C, in any order."""
    place = 12
    while True:
        kind, size = file.at(place, 4), file.number(place + 4, 4)
        if kind == b"SSND":
            return _ends(file, place + 8, size, UNSAID_32)
        place += 8 + size + size % 2


def walk_au(file: File) -> Verdict:
    """One header, then the sound."""
    return _ends(file, file.number(4, 4), file.number(8, 4), UNSAID_32)


def walk_caf(file: File) -> Verdict:
    """The chunks of a Core Audio file."""
    place = 8
    while True:
        kind, size = file.at(place, 4), file.number(place + 4, 8)
        if kind == b"data":
            return _ends(file, place + 12, size, UNSAID_64)
        place += 12 + size


def _ends(file: File, start: int, size: int, unsaid: int) -> Verdict:
    """Sound of so many bytes from there. Raises CutShortError where the file is shorter."""
    if not 0 < size < unsaid:
        return Verdict.UNKNOWN
    if start + size > file.size:
        raise CutShortError
    return Verdict.WHOLE


KBITS = {
    (1, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
"""Thousand bits a second, by version (2 and 2.5 have the same) and layer (ISO 11172-3, 13818-3)."""
RATES = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}
"""Samples a second, by the two bits of the version."""
LENGTH_SAID = re.compile(
    rb"(?:Xing|Info)...[\x01\x03\x05\x07\x09\x0b\x0d\x0f](....)|VBRI.{10}(....)", re.DOTALL
)
"""What the first frame may hold in place of sound: how many frames follow."""
MISCOUNTED = 4
"""Frames that encoders count or do not: the one that holds the number, and those that only let a decoder start."""


def begins_mpeg_audio(file: File) -> bool:
    """Whether there is a frame at the start, or behind notes (ID3v2)."""
    try:
        return _frame(file, _behind_notes(file)) > 0
    except CutShortError:
        return False


def walk_mpeg_audio(file: File) -> Verdict:
    """The frames of an MP3, or of its elder layers, up to the first thing that is none: notes may follow.

    Frames do not say that they are the last. Where the first one counts them, all must be there.
    """
    place = _behind_notes(file)
    first = file.at(place, min(256, file.size - place))
    told = LENGTH_SAID.search(first)
    frames = 0
    while place + 4 <= file.size and (length := _frame(file, place)):
        place += length
        frames += 1
    if place > file.size:
        raise CutShortError
    if told is None:
        return Verdict.UNKNOWN
    if frames < int.from_bytes(told[1] or told[2], "big") - MISCOUNTED:
        raise CutShortError
    return Verdict.WHOLE


def _behind_notes(file: File) -> int:
    place = 0
    while file.size >= place + 10 and file.at(place, 3) == b"ID3":
        head = file.at(place, 10)
        size = 0
        for byte in head[6:]:
            size = size << 7 | byte & 0x7F
        place += 10 + size + (10 if head[5] & 0x10 else 0)
    return place


def _frame(file: File, place: int) -> int:
    """Bytes of the frame that begins there; 0 where none does, or where it does not say its length."""
    sync, flags, rest = file.number(place, 1), file.number(place + 1, 1), file.number(place + 2, 1)
    version, layer = flags >> 3 & 3, 4 - (flags >> 1 & 3)
    bits, rate = rest >> 4, rest >> 2 & 3
    if sync != 0xFF or flags < 0xE0 or version == 1 or layer == 4 or bits in (0, 15) or rate == 3:
        return 0
    per_second = KBITS[1 if version == 3 else 2, layer][bits - 1] * 1000
    padding = rest >> 1 & 1
    if layer == 1:
        return (12 * per_second // RATES[version][rate] + padding) * 4
    samples = 72 if layer == 3 and version != 3 else 144
    return samples * per_second // RATES[version][rate] + padding


AC3_KBITS = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640)
AC3_RATES = (48_000, 44_100, 32_000)
AC3_SAMPLES = 1536
"""Of one frame."""


def walk_ac3(file: File) -> Verdict:
    """The frames of AC-3 and E-AC-3 (ATSC A/52), up to the first thing that is none."""
    place = 0
    while place + 6 <= file.size and (length := _ac3_frame(file.at(place, 6))):
        place += length
    if place > file.size:
        raise CutShortError
    return Verdict.UNKNOWN


def _ac3_frame(head: bytes) -> int:
    """Bytes of the frame that begins so; 0 for none."""
    if head[:2] != b"\x0b\x77":
        return 0
    if head[5] >> 3 > 10:  # E-AC-3 says its length
        return ((head[2] & 7) << 8 | head[3]) * 2 + 2
    rate, code = head[4] >> 6, head[4] & 0x3F
    if rate == 3 or code >= 2 * len(AC3_KBITS):
        return 0
    words = AC3_KBITS[code // 2] * 1000 * AC3_SAMPLES // AC3_RATES[rate] // 16
    return 2 * (words + (code & 1 if rate == 1 else 0))
