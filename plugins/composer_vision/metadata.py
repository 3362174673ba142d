"""What a picture's file says beside its pixels: only which way up it is matters, and faults in the rest never do."""

from __future__ import annotations

import struct

from PIL import Image

__all__ = ["orientation", "without_metadata"]

ORIENTATION = 0x0112

TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def orientation(image: Image.Image) -> Image.Transpose | None:
    """How to turn the picture as it was held. What cannot be understood turns nothing."""
    try:
        found = TURNS.get(image.getexif().get(ORIENTATION, 1))
    except Exception:  # the tags may be anything
        found = None
    exif = image.info.get("exif")
    return found or (TURNS.get(_orientation_tag(exif)) if isinstance(exif, bytes) else None)


def _orientation_tag(exif: bytes) -> int:
    """The tag in the first directory, found without reading any other tag; 0 where there is none."""
    content = exif.removeprefix(b"Exif\0\0")
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(content[:4])
    if order is None or len(content) < 8:
        return 0
    (place,) = struct.unpack_from(f"{order}I", content, 4)
    for start in range(place + 2, len(content) - 11, 12):
        tag, kind, count = struct.unpack_from(f"{order}HHI", content, start)
        if tag == ORIENTATION and count == 1 and kind in (3, 4):
            return int(struct.unpack_from(f"{order}{'H' if kind == 3 else 'I'}", content, start + 8)[0])
        if tag > ORIENTATION and tag < 0xFFFF:
            break  # tags stand in rising order
    return 0


def without_metadata(content: bytes) -> bytes | None:
    """The same picture without notes, profiles and tags that no pixel depends on; None where nothing is known of it."""
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return _bare_png(content)
    if content.startswith(b"\xff\xd8\xff"):
        return _bare_jpeg(content)
    if content[:4] in (b"II*\0", b"MM\0*"):
        return _bare_tiff(content)
    if content.startswith(b"RIFF") and content[8:12] == b"WEBP":
        return _bare_webp(content)
    return None


PNG_CHUNKS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"eXIf")


def _bare_png(content: bytes) -> bytes:
    kept, place = [content[:8]], 8
    while place + 8 <= len(content):
        (length,) = struct.unpack_from(">I", content, place)
        if content[place + 4 : place + 8] in PNG_CHUNKS:
            kept.append(content[place : place + 12 + length])
        place += 12 + length
    return b"".join(kept)


NOTES = (*range(0xE1, 0xEE), 0xEF, 0xFE)
"""Segments of applications and comments. E0 (JFIF) and EE (Adobe) stay: they say how colours are stored."""

STARTS_OF_PIXELS = 0xDA


def _bare_jpeg(content: bytes) -> bytes:
    kept, place = [content[:2]], 2
    while place + 4 <= len(content) and content[place] == 0xFF and content[place + 1] != STARTS_OF_PIXELS:
        (length,) = struct.unpack_from(">H", content, place + 2)
        segment = content[place : place + 2 + length]
        if content[place + 1] not in NOTES:
            kept.append(segment)
        elif segment[4:10] == b"Exif\0\0" and (value := _orientation_tag(segment[4:])):
            kept.append(_exif_of(value))
        place += 2 + length
    return b"".join([*kept, content[place:]])


def _exif_of(value: int) -> bytes:
    """A segment of tags with the orientation alone."""
    tags = struct.pack("<4sIHHHIII", b"II*\0", 8, 1, ORIENTATION, 3, 1, value, 0)
    return struct.pack(">BBH", 0xFF, 0xE1, 8 + len(tags)) + b"Exif\0\0" + tags


TIFF_TAGS = frozenset(
    (*range(254, 267), 273, 274, 277, 278, 279, 284, 292, 293, 317, 320, *range(322, 326))
) | frozenset((332, 333, 336, 338, 339, 340, 341, 347, *range(512, 522), *range(529, 533)))
"""Tags on which pixels, colours or the way up depend."""


def _bare_tiff(content: bytes) -> bytes | None:
    """The file with a directory more at its end for each page, which has only those tags, in the place of its own."""
    order = "<" if content[:1] == b"I" else ">"
    (place,) = struct.unpack_from(f"{order}I", content, 4)
    if place + 2 > len(content):
        return None
    bare = bytearray(content + bytes(len(content) & 1))
    link, seen = 4, set[int]()  # where the place of the next directory stands, and those that were read
    while 0 < place <= len(content) - 2 and place not in seen:
        seen.add(place)
        (count,) = struct.unpack_from(f"{order}H", content, place)
        entries = [content[start : start + 12] for start in range(place + 2, place + 2 + 12 * count, 12)]
        kept = [
            each
            for each in entries
            if len(each) == 12 and struct.unpack_from(f"{order}H", each)[0] in TIFF_TAGS
        ]
        if not _holds_all_pixels(content, kept, order):
            return None if len(seen) == 1 else bytes(bare)
        following = content[place + 2 + 12 * count :][:4].ljust(4, b"\0")
        struct.pack_into(f"{order}I", bare, link, len(bare))
        bare += struct.pack(f"{order}H", len(kept)) + b"".join(kept)
        link = len(bare)
        bare += following
        bare += bytes(len(bare) & 1)
        (place,) = struct.unpack(f"{order}I", following)
    return bytes(bare)


def _holds_all_pixels(content: bytes, entries: list[bytes], order: str) -> bool:
    """Whether every strip or tile lies in the file: what is put behind a cut file must not be taken for pixels."""
    numbers: dict[int, tuple[int, ...]] = {}
    for entry in entries:
        tag, kind, count = struct.unpack_from(f"{order}HHI", entry)
        letter = {3: "H", 4: "I"}.get(kind)
        if tag in (273, 279, 324, 325) and letter:
            form = f"{order}{count}{letter}"
            size = struct.calcsize(form)
            place = struct.unpack_from(f"{order}I", entry, 8)[0]
            numbers[tag] = struct.unpack(
                form, entry[8 : 8 + size] if size <= 4 else content[place : place + size]
            )
    ends = [
        start + length
        for starts, lengths in ((273, 279), (324, 325))
        for start, length in zip(numbers.get(starts, ()), numbers.get(lengths, ()), strict=False)
    ]
    return bool(ends) and max(ends) <= len(content)


def _bare_webp(content: bytes) -> bytes | None:
    if len(content) < struct.unpack_from("<I", content, 4)[0] + 8:
        return None  # cut short: a size that fits what is left would make it whole
    kept, place = [], 12
    while place + 8 <= len(content):
        (length,) = struct.unpack_from("<I", content, place + 4)
        size = 8 + length + (length & 1)
        if content[place : place + 4] not in (b"ICCP", b"XMP "):
            kept.append(content[place : place + size])
        place += size
    body = b"".join(kept)
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body
