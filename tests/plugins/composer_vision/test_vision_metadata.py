"""Faults of what a file notes beside its pixels are not faults of the picture, and the way up still holds."""

from __future__ import annotations

import io
import re
import struct
import zlib
from collections.abc import Iterator

import numpy as np
import pytest
from composer_vision.metadata import TIFF_TAGS
from composer_vision.pictures import read_picture
from PIL import ExifTags, Image

from composer.problems import InputError

TYPES = [*range(14), 16, 17, 18, 129, 65535]
TAGS = sorted(
    {int(tag) for tag in ExifTags.Base} | {0, 1, 2, 0xC4A5, 0xEA1C, 0xFFFF} - {int(ExifTags.Base.Orientation)}
)
PICTURE = np.zeros((16, 24, 3), np.uint8)
PICTURE[:8, :12], PICTURE[:8, 12:], PICTURE[8:, :12], PICTURE[8:, 12:] = 40, 100, 160, 220

# What becomes of the four quarters, row by row.
TURNED = {
    1: [40, 100, 160, 220],
    2: [100, 40, 220, 160],
    3: [220, 160, 100, 40],
    4: [160, 220, 40, 100],
    5: [40, 160, 100, 220],
    6: [160, 40, 220, 100],
    7: [220, 100, 160, 40],
    8: [100, 220, 40, 160],
}


def quarters(content: bytes) -> list[int]:
    read = read_picture(content).astype(int)
    rows, columns = read.shape[0] // 4, read.shape[1] // 4
    return [round(read[row * rows, column * columns, 0] / 20) * 20 for row in (1, 3) for column in (1, 3)]


def block(entries: list[tuple[int, int, int, bytes]], order: str = "<") -> bytes:
    """A directory of tags: (tag, type, count, four bytes of value or place)."""
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", 8)
    body = b"".join(
        struct.pack(f"{order}HHI", tag, kind, count) + value for tag, kind, count, value in entries
    )
    return head + struct.pack(f"{order}H", len(entries)) + body + bytes(4)


def saved(form: str, **options: object) -> bytes:
    stream = io.BytesIO()
    if form == "WEBP":
        options["lossless"] = True
    Image.fromarray(PICTURE).save(stream, form, **options)
    return stream.getvalue()


PLAIN = {
    form: saved(form, **({"quality": 95} if form == "JPEG" else {}))
    for form in ("JPEG", "PNG", "WEBP", "TIFF")
}


def with_exif(form: str, exif: bytes) -> bytes:
    """The picture with a block of tags, put in by hand: Pillow writes no broken ones."""
    content = PLAIN[form]
    if form == "JPEG":
        body = b"Exif\0\0" + exif
        return content[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + content[2:]
    if form == "PNG":
        return with_chunk(b"eXIf", exif)
    flags = struct.pack("<I", 8) + (23).to_bytes(3, "little") + (15).to_bytes(3, "little")
    parts = content[12:] + b"EXIF" + struct.pack("<I", len(exif)) + exif + bytes(len(exif) & 1)
    body = b"WEBPVP8X" + struct.pack("<I", 10) + flags + parts
    return b"RIFF" + struct.pack("<I", len(body)) + body


def with_chunk(name: bytes, body: bytes, *, last: bool = False, damaged: bool = False) -> bytes:
    content = PLAIN["PNG"]
    check = zlib.crc32(name + body) ^ (1 if damaged else 0)
    chunk = struct.pack(">I", len(body)) + name + body + struct.pack(">I", check)
    place = content.index(b"IEND") - 4 if last else 33
    return content[:place] + chunk + content[place:]


def with_tag(entry: tuple[int, int, int, bytes]) -> bytes:
    """The TIFF with one more tag."""
    content = PLAIN["TIFF"]
    (place,) = struct.unpack_from("<I", content, 4)
    (count,) = struct.unpack_from("<H", content, place)
    tag, kind, number, value = entry
    rows = [content[start : start + 12] for start in range(place + 2, place + 2 + 12 * count, 12)]
    rows.append(struct.pack("<HHI", tag, kind, number) + value)
    rows.sort(key=lambda row: int(struct.unpack_from("<H", row)[0]))
    directory = struct.pack("<H", len(rows)) + b"".join(rows) + bytes(4)
    return content[:4] + struct.pack("<I", len(content)) + content[8:] + directory


def values() -> Iterator[tuple[int, bytes]]:
    """Counts and values: small, a place inside the block, one far outside, and far too many."""
    yield 1, b"ab\0\0"
    yield 4, struct.pack("<I", 8)
    yield 9, struct.pack("<I", 2**31)
    yield 2**28, struct.pack("<I", 8)
    yield 0, bytes(4)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_no_pair_of_tag_and_type_refuses_an_intact_picture(form: str) -> None:
    expected = read_picture(PLAIN[form])
    several = list(values())
    pairs = [(tag, kind) for tag in TAGS for kind in TYPES]
    # The blocks are read alike in all three: every pair once, in the form in which cameras write them.
    for index, (tag, kind) in enumerate(pairs if form == "JPEG" else pairs[::7]):
        count, value = several[index % len(several)]
        order = "<>"[index % 2]
        orientation = (0x0112, 3, 1, struct.pack(f"{order}H", 1) + b"\0\0")
        exif = block(sorted([(tag, kind, count, value), orientation]), order)
        np.testing.assert_array_equal(
            read_picture(with_exif(form, exif)), expected, f"tag {tag}, type {kind}"
        )


def test_no_pair_of_tag_and_type_refuses_an_intact_tiff() -> None:
    expected = read_picture(PLAIN["TIFF"])
    several = list(values())
    for tag in TAGS:
        if tag in TIFF_TAGS:
            continue
        for index, kind in enumerate(TYPES[tag % 2 :: 2]):
            count, value = several[(tag + index) % len(several)]
            content = with_tag((tag, kind, count, value))
            np.testing.assert_array_equal(read_picture(content), expected, f"tag {tag}, type {kind}")


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("turn", TURNED)
def test_the_way_up_holds_beside_broken_tags(form: str, turn: int) -> None:
    for order in "<>":
        orientation = (0x0112, 3, 1, struct.pack(f"{order}H", turn) + b"\0\0")
        resolution = (0x011A, 2, 4, b"72\0\0")
        later = (0x8769, 4, 1, struct.pack(f"{order}I", 2**31))
        whole = block([orientation], order)
        for exif in (whole, block([orientation, resolution, later], order), whole[:-4], whole + bytes(40)):
            assert quarters(with_exif(form, exif)) == TURNED[turn]
        # It says that there are more tags than there are.
        many = bytearray(block([orientation], order))
        many[8:10] = struct.pack(f"{order}H", 900)
        assert quarters(with_exif(form, bytes(many))) == TURNED[turn]


@pytest.mark.parametrize("turn", TURNED)
def test_the_way_up_of_a_tiff_holds(turn: int) -> None:
    content = with_tag((0x0112, 3, 1, struct.pack("<HH", turn, 0)))
    assert quarters(content) == TURNED[turn]


@pytest.mark.parametrize("value", [0, 9, 65535])
def test_an_orientation_that_means_nothing_turns_nothing(value: int) -> None:
    for kind in (2, 3, 4, 5, 7):
        entry = (0x0112, kind, 1, struct.pack("<HH", value, 0))
        for form in ("JPEG", "PNG", "WEBP"):
            assert quarters(with_exif(form, block([entry]))) == TURNED[1]
        if kind == 3:
            assert quarters(with_tag(entry)) == TURNED[1]


@pytest.mark.parametrize(
    "exif", [b"", b"I", b"II*\0", b"II*\0\xff\xff\xff\xff", b"no tags at all", bytes(9), b"MM\0*" + bytes(4)]
)
def test_a_block_of_tags_that_is_none_does_not_matter(exif: bytes) -> None:
    for form in ("JPEG", "PNG", "WEBP"):
        assert quarters(with_exif(form, exif)) == TURNED[1]


LONG = zlib.compress(bytes(3_000_000))
CHUNKS = {
    "profile of 3 MB": (b"iCCP", b"name\0\0" + LONG),
    "profile that is none": (b"iCCP", b"name\0\0nonsense"),
    "profile of another kind": (b"iCCP", b"name\0\7" + LONG),
    "text of 3 MB": (b"zTXt", b"Comment\0\0" + LONG),
    "international text of 3 MB": (b"iTXt", b"Comment\0\1\0\0\0" + LONG),
    "international text that is none": (b"iTXt", b"Comment\0"),
    "text that is none": (b"zTXt", b"Comment\0\0nonsense"),
    "plain text": (b"tEXt", b"Comment\0" + b"x" * 2_000_000),
    "resolution": (b"pHYs", b"\0"),
    "gamma": (b"gAMA", b"\0"),
    "white point": (b"cHRM", bytes(3)),
    "time": (b"tIME", b""),
    "own": (b"prVt", bytes(70_000)),
}


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("case", CHUNKS)
def test_notes_of_a_png_do_not_matter(case: str, last: bool) -> None:
    name, body = CHUNKS[case]
    for damaged in (False, True):
        read = read_picture(with_chunk(name, body, last=last, damaged=damaged))
        np.testing.assert_array_equal(read, PICTURE)


def test_many_long_texts_do_not_matter() -> None:
    content = PLAIN["PNG"]
    chunk = with_chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(1_000_000)))[33 : 33 - len(content)]
    np.testing.assert_array_equal(read_picture(content[:33] + chunk * 80 + content[33:]), PICTURE)


@pytest.mark.parametrize("segment", [0xE1, 0xE2, 0xED, 0xE5, 0xEF, 0xFE])
def test_notes_of_a_jpeg_do_not_matter(segment: int) -> None:
    content = PLAIN["JPEG"]
    expected = read_picture(content)
    bodies = [b"", b"x" * 60_000, b"ICC_PROFILE\0", b"ICC_PROFILE\0\1\2" + bytes(99), b"MPF\0" + bytes(30)]
    bodies += [
        b"Photoshop 3.0\0" + b"8BIM\x03\xed\0\0\xff\xff\xff\xff",
        b"http://ns.adobe.com/xap/1.0/\0<broken",
    ]
    for body in bodies:
        note = bytes([0xFF, segment]) + struct.pack(">H", len(body) + 2) + body
        np.testing.assert_array_equal(read_picture(content[:2] + note + content[2:]), expected)


@pytest.mark.parametrize("form", PLAIN)
def test_a_fault_of_the_pixels_is_still_one(form: str) -> None:
    content = PLAIN[form]
    expected = read_picture(content)
    refused = 0
    for length in range(8, len(content), 5):
        try:
            read = read_picture(content[:length])
        except InputError as error:
            assert re.search("damaged or cut short|not a picture", str(error))  # noqa: PT017
            refused += 1
        else:
            np.testing.assert_array_equal(read, expected)  # the pixels were all there
    assert refused > len(content) // 8


@pytest.mark.parametrize("page", [0, 1, 3])
def test_a_note_that_leads_beyond_the_file_drops_no_page_of_a_tiff(page: int) -> None:
    from composer_vision.stills import read_still

    from composer.problems.media_source import MediaSource

    stream = io.BytesIO()
    first, *others = [Image.new("RGB", (8, 6), (60 * number, 0, 0)) for number in range(4)]
    notes = {305: "a program with a long name"}
    first.save(stream, "TIFF", save_all=True, append_images=others, tiffinfo=notes)
    content = bytearray(stream.getvalue())
    (place,) = struct.unpack_from("<I", content, 4)
    for number in range(4):
        (entries,) = struct.unpack_from("<H", content, place)
        for entry in range(place + 2, place + 2 + 12 * entries, 12):
            if number == page and struct.unpack_from("<H", content, entry)[0] == 305:
                struct.pack_into("<HII", content, entry + 2, 2, 50, len(content) + 1000)
        (place,) = struct.unpack_from("<I", content, place + 2 + 12 * entries)
    source = MediaSource.of(bytes(content), "clip")
    frames = read_still(source, lambda length: list(range(length.frames)), lambda frame: frame)
    assert [int(frame[0, 0, 0]) for frame in frames] == [0, 60, 120, 180]
