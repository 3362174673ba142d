"""Every mode that Pillow knows becomes the right colours, or is refused in one sentence."""

from __future__ import annotations

import io
import struct
import zlib
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from composer_vision.pictures import read_picture
from PIL import Image, ImageMode

from composer.problems import InputError

WHITE = (255, 255, 255)

# What is stored in a pixel, and the colour that a viewer shows.
KNOWN: dict[str, list[tuple[Any, tuple[int, ...]]]] = {
    "1": [(0, (0, 0, 0)), (255, WHITE)],
    "L": [(0, (0, 0, 0)), (77, (77, 77, 77)), (255, WHITE)],
    "P": [(0, (10, 20, 30)), (1, (200, 100, 50))],
    "RGB": [((255, 0, 0), (255, 0, 0)), ((1, 2, 3), (1, 2, 3))],
    "RGBX": [((255, 0, 0, 0), (255, 0, 0)), ((1, 2, 3, 255), (1, 2, 3))],
    "RGBA": [((255, 0, 0, 255), (255, 0, 0)), ((255, 0, 0, 0), WHITE), ((0, 0, 255, 128), (127, 127, 255))],
    "RGBa": [((255, 0, 0, 255), (255, 0, 0)), ((0, 0, 0, 0), WHITE), ((0, 0, 128, 128), (127, 127, 255))],
    "LA": [((77, 255), (77, 77, 77)), ((77, 0), WHITE), ((0, 128), (127, 127, 127))],
    "La": [((77, 255), (77, 77, 77)), ((0, 0), WHITE), ((0, 128), (127, 127, 127))],
    "PA": [((1, 255), (200, 100, 50)), ((0, 0), WHITE)],
    "CMYK": [((0, 255, 255, 0), (255, 0, 0)), ((0, 0, 0, 255), (0, 0, 0)), ((0, 0, 0, 0), WHITE)],
    "YCbCr": [((76, 85, 255), (255, 0, 0)), ((128, 128, 128), (128, 128, 128))],
    "HSV": [((0, 255, 255), (255, 0, 0)), ((170, 255, 255), (0, 0, 255)), ((99, 0, 200), (200, 200, 200))],
    "LAB": [((255, 128, 128), WHITE), ((0, 128, 128), (0, 0, 0)), ((137, 128, 128), (128, 128, 128))],
    "I;16": [(0, (0, 0, 0)), (65535, WHITE), (32768, (128, 128, 128)), (257, (1, 1, 1))],
    "I;16L": [(65535, WHITE), (32768, (128, 128, 128))],
    "I;16B": [(65535, WHITE), (32768, (128, 128, 128)), (257, (1, 1, 1))],
    "I;16N": [(65535, WHITE), (32768, (128, 128, 128))],
}
REFUSED = {"I": 200, "F": 0.5}


def picture(mode: str, value: Any) -> Image.Image:
    image = Image.new(mode, (4, 3), value)
    if mode in ("P", "PA"):
        image.putpalette([10, 20, 30, 200, 100, 50])
    return image


def test_every_mode_stands_in_the_table() -> None:
    assert {*Image.MODES} <= {*KNOWN, *REFUSED}
    for mode in KNOWN:
        assert ImageMode.getmode(mode).mode == mode


@pytest.mark.parametrize("mode", ["I;16", "I;16B"])
def test_eight_bits_in_sixteen_are_no_black_picture(mode: str) -> None:
    with pytest.raises(InputError, match=r"16 bits for each value and none above 200, so it would be black"):
        read_picture(picture(mode, 200))


def deep_jpeg2000(values: np.ndarray[Any, Any], form: str) -> bytes:
    """A JPEG 2000 picture of 16-bit colours, which Pillow does not write: red, green and blue are `values`."""
    import av

    codec = av.CodecContext.create("jpeg2000", "w")
    codec.height, codec.width = values.shape
    codec.pix_fmt, codec.time_base = form, Fraction(1, 25)
    frame = av.VideoFrame.from_ndarray(np.stack([values] * 3, axis=-1), format="rgb48le").reformat(
        format=form
    )
    return b"".join(bytes(packet) for packet in [*codec.encode(frame), *codec.encode(None)])


def deep_ppm(values: np.ndarray[Any, Any], form: str) -> bytes:
    height, width = values.shape
    head = f"{form}\n# deep\n{width} {height}\n65535\n".encode()
    whole = np.stack([values] * (3 if form in ("P3", "P6") else 1), axis=-1)
    if form in ("P2", "P3"):
        return head + b"# 9 9 9\n" + " ".join(map(str, whole.ravel().tolist())).encode() + b" # the end"
    return head + whole.astype(">u2").tobytes()


DEEP = [
    *[(deep_jpeg2000, form) for form in ("rgb48le", "rgba64le")],
    *[(deep_ppm, form) for form in ("P2", "P3", "P5", "P6")],
]


@pytest.mark.parametrize(("write", "form"), DEEP, ids=[form for _, form in DEEP])
def test_deep_colours_are_as_bright_as_those_of_8_bits(write: Any, form: str) -> None:
    values = np.linspace(0, 65535, 64 * 64).reshape(64, 64).round().astype(np.uint16)
    eight = io.BytesIO()
    Image.fromarray((values / 257).round().astype(np.uint8)).convert("RGB").save(eight, "PNG")
    read, expected = (read_picture(data).astype(int) for data in (write(values, form), eight.getvalue()))
    assert np.abs(read - expected).max() <= 2  # the coding of JPEG 2000 is not exact


@pytest.mark.parametrize(("write", "form"), DEEP, ids=[form for _, form in DEEP])
def test_deep_colours_of_eight_bits_are_no_black_picture(write: Any, form: str) -> None:
    with pytest.raises(InputError, match=r"16 bits for each value and none above \d+, so it would be black"):
        read_picture(write(np.full((8, 8), 100, dtype=np.uint16), form))


@pytest.mark.parametrize("form", ["P2", "P3", "P5", "P6"])
def test_a_ppm_as_a_clip_shows_what_it_shows_as_a_picture(form: str) -> None:
    from composer_vision.configs import VideoConfig
    from composer_vision.processors import VideoProcessor

    content = deep_ppm(np.linspace(0, 65535, 64).reshape(8, 8).round().astype(np.uint16), form)
    frames = VideoProcessor(VideoConfig(size=8, frames=2)).encode([content])["frames"]
    for frame in frames[0]:
        assert np.abs(frame.astype(int) - read_picture(content)).max() <= 1


@pytest.mark.parametrize("mode", KNOWN)
def test_a_mode_becomes_the_colours_that_are_shown(mode: str) -> None:
    for value, colour in KNOWN[mode]:
        read = read_picture(picture(mode, value))
        assert read.shape == (3, 4, 3)
        assert np.abs(read.astype(int) - colour).max() <= 2, (value, read[0, 0])


@pytest.mark.parametrize("mode", REFUSED)
def test_values_whose_range_nobody_knows_are_one_sentence(mode: str) -> None:
    image = picture(mode, REFUSED[mode])
    stream = io.BytesIO()
    image.save(stream, "TIFF")
    for value in (image, stream.getvalue()):
        with pytest.raises(InputError, match=r"unknown range \(mode .*convert it to 8 or 16 bits"):
            read_picture(value)


FILES = [
    *[(mode, "PNG") for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")],
    *[
        (mode, "TIFF")
        for mode in (
            "1",
            "L",
            "LA",
            "P",
            "PA",
            "RGB",
            "RGBA",
            "RGBX",
            "CMYK",
            "YCbCr",
            "LAB",
            "I;16",
            "I;16B",
        )
    ],
    *[(mode, "WEBP") for mode in ("RGB", "RGBA")],
    *[(mode, "BMP") for mode in ("1", "L", "P", "RGB")],
    *[(mode, "PPM") for mode in ("1", "L", "RGB")],
    *[(mode, "GIF") for mode in ("1", "L", "P")],
    *[(mode, "JPEG2000") for mode in ("L", "LA", "RGB", "RGBA", "I;16")],
    *[(mode, "JPEG") for mode in ("1", "L", "RGB", "CMYK", "YCbCr")],
]


@pytest.mark.parametrize(("mode", "form"), FILES)
def test_a_file_of_each_mode_becomes_the_colours_that_are_shown(mode: str, form: str) -> None:
    for value, colour in KNOWN[mode]:
        options = {"lossless": True} if form == "WEBP" else {"quality": 95} if form == "JPEG" else {}
        stream = io.BytesIO()
        picture(mode, value).save(stream, form, **options)
        read = read_picture(stream.getvalue())
        assert np.abs(read.astype(int) - colour).max() <= 3, (value, read[0, 0])


def test_sixteen_bit_grey_of_a_ppm_is_scaled() -> None:
    content = b"P5 3 1 65535\n" + struct.pack(">3H", 0, 32768, 65535)
    assert read_picture(content)[0, :, 0].tolist() == [0, 128, 255]
    content = b"P5 3 1 1023\n" + struct.pack(">3H", 0, 512, 1023)
    assert np.abs(read_picture(content)[0, :, 0].astype(int) - [0, 128, 255]).max() <= 1


def png(depth: int, kind: int, rows: list[bytes], width: int, **chunks: bytes) -> bytes:
    """A PNG put together by hand, since Pillow writes few of its forms."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, len(rows), depth, kind, 0, 0, 0)
    extra = b"".join(chunk(name.encode(), body) for name, body in chunks.items())
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("depth", "row", "width", "clear", "colours"),
    [
        (1, b"\x40", 2, 0, [255, 255]),
        (1, b"\x40", 2, 1, [0, 255]),
        (2, b"\x1b", 4, 1, [0, 255, 170, 255]),
        (4, b"\x05\xaf", 4, 5, [0, 255, 170, 255]),
        (8, b"\x00\x05\xaa\xff", 4, 5, [0, 255, 170, 255]),
        (16, struct.pack(">4H", 0, 0x0500, 0x0501, 65535), 4, 0x0500, [0, 255, 5, 255]),
    ],
)
def test_a_transparent_grey_is_laid_on_white_at_every_depth(
    depth: int, row: bytes, width: int, clear: int, colours: list[int]
) -> None:
    read = read_picture(png(depth, 0, [row], width, tRNS=struct.pack(">H", clear)))
    assert read[0].tolist() == [[colour] * 3 for colour in colours]


@pytest.mark.parametrize("depth", [8, 16])
def test_a_transparent_colour_is_laid_on_white_at_every_depth(depth: int) -> None:
    unit = 257 if depth == 16 else 1
    letter = "H" if depth == 16 else "B"
    row = struct.pack(f">9{letter}", *[each * unit for each in (255, 0, 0, 0, 0, 255, 10, 20, 30)])
    read = read_picture(png(depth, 2, [row], 3, tRNS=struct.pack(">3H", 0, 0, 255 * unit)))
    assert read[0].tolist() == [[255, 0, 0], [255, 255, 255], [10, 20, 30]]


def test_sixteen_bit_colours_that_differ_in_their_lower_half_differ() -> None:
    row = struct.pack(">6H", 0x1000, 0x2000, 0x3000, 0x1000, 0x2000, 0x3001)
    read = read_picture(png(16, 2, [row], 2, tRNS=struct.pack(">3H", 0x1000, 0x2000, 0x3001)))
    assert read[0].tolist() == [[16, 32, 48], [255, 255, 255]]


@pytest.mark.parametrize(("kind", "opacity"), [(2, ()), (4, (65535,)), (6, (65535,)), (6, (0,))])
def test_eight_bits_in_sixteen_are_no_black_colours(kind: int, opacity: tuple[int, ...]) -> None:
    bands = 1 if kind == 4 else 3

    def row(*values: int) -> bytes:
        pixels = [value for each in values for value in (*[each] * bands, *opacity)]
        return struct.pack(f">{len(pixels)}H", *pixels)

    with pytest.raises(InputError, match="has 16 bits for each value and none above 200"):
        read_picture(png(16, kind, [row(0, 200)], 2))
    black, bright = png(16, kind, [row(0, 0)], 2), png(16, kind, [row(0, 256)], 2)
    shown = 255 if opacity == (0,) else 0
    assert read_picture(black)[0, :, 0].tolist() == [shown, shown]
    assert read_picture(bright)[0, :, 0].tolist() == [shown, 255 if opacity == (0,) else 1]


@pytest.mark.parametrize("order", ["<", ">"])
def test_eight_bits_in_the_sixteen_of_a_tiff_are_no_black_colours(order: str) -> None:
    def tiff(*values: int) -> bytes:
        """One row of grey pixels in three colours, put together by hand."""
        pixels = struct.pack(f"{order}{3 * len(values)}H", *(v for v in values for _ in range(3)))
        start = 8 + 2 + 9 * 12 + 4
        tags = [(256, len(values)), (257, 1), (259, 1), (262, 2), (273, start + 6), (277, 3), (278, 1)]
        tags += [(279, len(pixels))]
        entries = [struct.pack(f"{order}HHII", tag, 4, 1, value) for tag, value in tags]
        entries.insert(2, struct.pack(f"{order}HHII", 258, 3, 3, start))
        head = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, 8)
        listed = struct.pack(f"{order}H", 9) + b"".join(entries) + struct.pack(f"{order}I", 0)
        return head + listed + struct.pack(f"{order}3H", 16, 16, 16) + pixels

    with pytest.raises(InputError, match="none above 200, so it would be black"):
        read_picture(tiff(0, 200))
    assert read_picture(tiff(0, 0))[0, :, 0].tolist() == [0, 0]
    assert read_picture(tiff(200, 65535))[0, :, 0].tolist() == [0, 255]


@pytest.mark.parametrize(
    ("kind", "pixel", "colour"), [(4, (65535, 0), 255), (4, (0, 65535), 0), (4, (0, 32768), 127)]
)
def test_sixteen_bit_grey_with_opacity_is_laid_on_white(
    kind: int, pixel: tuple[int, ...], colour: int
) -> None:
    assert read_picture(png(16, kind, [struct.pack(">2H", *pixel)], 1))[0, 0].tolist() == [colour] * 3


def test_an_inverted_cmyk_jpeg_is_read_as_it_is_shown() -> None:
    stream = io.BytesIO()
    Image.new("CMYK", (16, 16), (0, 255, 255, 0)).save(stream, "JPEG", quality=95)
    content = stream.getvalue()
    assert b"Adobe" in content  # the mark of inverted values, which Pillow writes
    assert np.abs(read_picture(content)[0, 0].astype(int) - (255, 0, 0)).max() <= 3
