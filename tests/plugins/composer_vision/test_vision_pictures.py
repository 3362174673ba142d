"""Pictures of every sort are read as a viewer shows them, and a bad one gives one clear sentence."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from composer_vision.pictures import read_picture
from PIL import Image

from composer.problems import InputError

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def saved(image: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def corner(data: Any) -> tuple[int, ...]:
    return tuple(read_picture(data)[0, 0].tolist())


def test_a_path_bytes_a_pillow_image_and_an_array_agree(media: Path) -> None:
    path = media / "cat.jpg"
    with Image.open(path) as image:
        image.load()
    expected = np.asarray(image)
    assert expected.shape == (300, 451, 3)
    for value in (path, str(path), path.read_bytes(), image, expected):
        np.testing.assert_array_equal(read_picture(value), expected)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "YCbCr"])
def test_opaque_modes_are_converted(mode: str) -> None:
    for colour in ((255, 255, 255), (0, 0, 0)):
        assert corner(Image.new("RGB", (3, 2), colour).convert(mode)) == colour


def test_cmyk_becomes_rgb() -> None:
    picture = Image.new("CMYK", (4, 4), (0, 255, 255, 0))
    assert corner(picture) == RED
    jpeg = read_picture(saved(picture, "JPEG", quality=95))[0, 0].astype(int)
    assert np.abs(jpeg - RED).max() <= 3


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_sixteen_bit_grey_is_scaled_not_clipped(form: str) -> None:
    values = np.array([[0, 257, 32768, 65535, 300]], dtype=np.uint16)
    read = read_picture(saved(Image.fromarray(values), form))
    assert read[0, :, 0].tolist() == [0, 1, 128, 255, 1]
    assert (read == read[..., :1]).all()


def test_sixteen_bit_colour_is_scaled() -> None:
    # Pillow writes no 16-bit colour, so this PNG is put together by hand: one pixel, depth 16, colour type 2.
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", 1, 1, 16, 2, 0, 0, 0)
    pixel = b"\0" + struct.pack(">HHH", 65535, 32768, 0)
    data = (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(pixel))
        + chunk(b"IEND", b"")
    )
    assert corner(data) == (255, 128, 0)


def test_values_of_unknown_range_are_refused() -> None:
    for values in (np.array([[0.5]], np.float32), np.array([[70_000]], np.int32), np.array([[-1]], np.int32)):
        with pytest.raises(InputError, match=r"unknown range .*8 or 16 bits"):
            read_picture(saved(Image.fromarray(values), "TIFF"))


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
def test_transparency_is_laid_on_white(mode: str) -> None:
    clear = Image.new("RGBA", (2, 2), (0, 0, 0, 0)).convert(mode)
    assert corner(clear) == WHITE
    half = read_picture(Image.new("RGBA", (2, 2), (255, 0, 0, 128)))[0, 0]
    assert half.tolist() == [255, 127, 127]


def test_a_transparent_palette_colour_is_laid_on_white() -> None:
    palette = Image.new("P", (2, 1), 0)
    palette.putpalette([255, 0, 0, 0, 0, 255])
    palette.putpixel((1, 0), 1)
    for transparency in (0, bytes([0, 255])):
        read = read_picture(saved(palette, transparency=transparency))
        assert read[0].tolist() == [list(WHITE), list(BLUE)]


def test_a_transparent_true_colour_is_laid_on_white() -> None:
    picture = Image.new("RGB", (2, 1), RED)
    picture.putpixel((1, 0), BLUE)
    assert read_picture(saved(picture, transparency=RED))[0].tolist() == [list(WHITE), list(BLUE)]


def test_the_camera_rotation_is_applied() -> None:
    image = Image.new("RGB", (4, 2), RED)
    image.paste(BLUE, (0, 0, 2, 2))
    exif = Image.Exif()
    exif[0x0112] = 6  # turned a quarter clockwise for display
    read = read_picture(saved(image, exif=exif))
    assert read.shape == (4, 2, 3)
    assert read[0, 0].tolist() == list(BLUE)
    assert read[3, 0].tolist() == list(RED)


def test_an_animation_gives_its_first_frame() -> None:
    frames = [Image.new("RGB", (5, 4), colour) for colour in (RED, GREEN, BLUE)]
    read = read_picture(saved(frames[0], "GIF", save_all=True, append_images=frames[1:]))
    assert read.shape == (4, 5, 3)
    assert read[0, 0].tolist() == list(RED)


def test_a_single_pixel_fills_the_square(processor: Any) -> None:
    for resize in ("bicubic", "bilinear", "nearest"):
        for crop in ("none", "center"):
            encode = processor("image", size=6, resize=resize, crop=crop).encode
            frames = encode([saved(Image.new("RGB", (1, 1), GREEN))])["frames"]
            assert frames.shape == (1, 1, 6, 6, 3)
            assert frames.dtype == np.uint8
            assert (frames == GREEN).all()


def test_a_batch_of_pictures_has_one_size(processor: Any, media: Path) -> None:
    frames = processor("image", size=32).encode([media / "cat.jpg", np.zeros((9, 5, 3), np.uint8)])["frames"]
    assert frames.shape == (2, 1, 32, 32, 3)
    with Image.open(media / "cat.jpg") as image:
        expected = image.convert("RGB").resize((32, 32), Image.Resampling.BICUBIC)
    np.testing.assert_array_equal(frames[0, 0], np.asarray(expected))


def _bad_files(folder: Path) -> dict[str, tuple[Path, str]]:
    """Files by what is wrong with them, each with what must be said."""
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
    contents = {
        "empty.png": (b"", "is an empty file"),
        "notes.jpg": (b"these are notes, no picture", "is not a picture that can be read: give PNG"),
        "drawing.eps": (
            b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
            "is not a picture that can be read",
        ),
        "cut.png": (saved(noise)[:2000], "is damaged or cut short"),
        "cut.jpg": (saved(noise, "JPEG")[:1000], "is damaged or cut short"),
        "cut.gif": (saved(noise, "GIF")[:1200], "is damaged or cut short"),
    }
    for name, (content, _) in contents.items():
        (folder / name).write_bytes(content)
    files = {name: (folder / name, message) for name, (_, message) in contents.items()}
    files["missing.png"] = (folder / "missing.png", "does not exist: check the path")
    files["folder"] = (folder, "is a directory: give the path of one file")
    return files


@pytest.mark.parametrize(
    "name",
    ["empty.png", "notes.jpg", "drawing.eps", "cut.png", "cut.jpg", "cut.gif", "missing.png", "folder"],
)
def test_a_bad_file_gives_one_sentence_with_its_name(tmp_path: Path, processor: Any, name: str) -> None:
    path, message = _bad_files(tmp_path)[name]
    with pytest.raises(InputError) as caught:
        processor("image", size=8).encode([path])
    assert message in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("side", [10_001, 15_000, 40_000])
def test_a_decompression_bomb_is_refused_before_it_unfolds(side: int) -> None:
    # Header of a PNG with side x side pixels, and no pixel data worth the name.
    body = b"IHDR" + struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))
    data += struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))
    with pytest.raises(InputError, match=r"100,000,000 .*scale it down first"):
        read_picture(data)


def test_a_device_is_no_picture() -> None:
    with pytest.raises(InputError, match="is not a regular file"):
        read_picture("/dev/null")


def test_a_path_that_no_system_takes_is_refused() -> None:
    for path in ("a\0b.png", "x" * 5000):
        with pytest.raises(InputError):
            read_picture(path)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (b"", "no bytes were given as picture"),
        (b"nothing to see", r"the content given as picture \(14 bytes\) is not a picture"),
        (np.zeros((4, 4), np.uint8), r"uint8 \[height, width, 3\], not uint8 \[4, 4\]"),
        (np.zeros((4, 4, 4), np.uint8), r"not uint8 \[4, 4, 4\]"),
        (np.zeros((0, 4, 3), np.uint8), r"not uint8 \[0, 4, 3\]"),
        (np.zeros((4, 4, 3), np.float32), r"not float32 \[4, 4, 3\]"),
        (Image.new("RGB", (0, 5)), "has no pixels"),
        (None, "convert this NoneType"),
        ([1, 2], "convert this list"),
    ],
)
def test_a_value_that_is_no_picture_is_refused(value: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_picture(value)


@pytest.mark.parametrize("values", [[], "cat.jpg", b"bytes"])
@pytest.mark.parametrize("modality", ["image", "video"])
def test_a_batch_is_a_list(processor: Any, modality: str, values: Any) -> None:
    config = {"size": 8} if modality == "image" else {"size": 8, "frames": 2}
    with pytest.raises(InputError, match="a batch is a list with at least one"):
        processor(modality, **config).encode(values)
