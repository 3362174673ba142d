"""Every mode that Pillow knows, as red, green and blue."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngImageFile

from composer.problems import InputError

__all__ = ["load", "to_rgb"]

EIGHT_BITS, SIXTEEN_BITS = 255, 65_535

SIXTEEN_BIT_MODES = ("I;16", "I;16L", "I;16B", "I;16N")

PREMULTIPLIED = {"La": "LA", "RGBa": "RGBA"}
"""Modes whose colours were multiplied by their opacity, each with the one that Pillow converts further."""


GREY_LEVELS = {"L;2": 85, "L;4": 17}
"""What one step of grey is of 255, by the way that a PNG stores it."""


def load(image: Image.Image) -> None:
    """Read the pixels. The transparent colour of a PNG, given in stored levels, is put into those of the pixels."""
    stored = image.tile[0].args if isinstance(image, PngImageFile) and image.tile else None
    clear = image.info.get("transparency")
    if isinstance(image, PngImageFile) and stored == "RGB;16B" and isinstance(clear, tuple):
        low = _low_bytes(image)
        image.load()
        found = (np.asarray(image).astype(np.uint16) << 8) | low
        opacity = np.where((found == np.array(clear)).all(axis=2), 0, 255).astype(np.uint8)
        del image.info["transparency"]
        image.putalpha(Image.fromarray(opacity))
    else:
        image.load()
        if isinstance(clear, int) and stored in GREY_LEVELS:
            image.info["transparency"] = clear * GREY_LEVELS[stored]


def _low_bytes(image: PngImageFile) -> NDArray[np.uint8]:
    """The lower halves of 16-bit colours, which Pillow leaves out: the same file read once more."""
    stream = image.fp
    assert stream is not None  # the pixels are not yet read
    place = stream.tell()
    stream.seek(0)
    twin = PngImageFile(stream)
    twin.tile = [tile._replace(args="RGB;16L") for tile in twin.tile]
    twin.load()
    stream.seek(place)
    return np.asarray(twin)


def to_rgb(image: Image.Image, name: str) -> Image.Image:
    """The image in mode RGB, transparency laid on white, 16-bit grey scaled to 8 bits.

    Raises InputError for pixel values whose range nobody can know.
    """
    if image.mode in SIXTEEN_BIT_MODES or (image.mode == "I" and image.format == "PPM"):
        return _from_deep_grey(image, name)
    if image.mode in ("I", "F"):
        kind = "32-bit integers" if image.mode == "I" else "floating-point numbers"
        raise InputError(
            f"{name} has pixel values of unknown range (mode {image.mode}, {kind}): convert it to 8 or 16 bits"
        )
    if image.mode in PREMULTIPLIED:
        image = image.convert(PREMULTIPLIED[image.mode])
    if image.has_transparency_data:
        return _on_white(image)
    return image if image.mode == "RGB" else image.convert("RGB")


def _on_white(image: Image.Image) -> Image.Image:
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image.convert("RGBA")).convert("RGB")


def _from_deep_grey(image: Image.Image, name: str) -> Image.Image:
    """16-bit grey scaled to 8 bits (Pillow's own conversion would clip it); a transparent value is white.

    Raises InputError where nothing would be left: values of 8 bits that were stored in 16.
    """
    values = np.asarray(image).astype(np.uint32)
    if 0 < values.max(initial=0) <= EIGHT_BITS:
        raise InputError(
            f"{name} has 16 bits for each pixel and no value above {values.max()}, so it would be black: if its values "
            "are those of 8 bits, convert it to 8 bits"
        )
    scaled = ((values * 255 + SIXTEEN_BITS // 2) // SIXTEEN_BITS).astype(np.uint8)
    clear = image.info.get("transparency")
    if isinstance(clear, int):
        scaled[values == clear] = 255
    return Image.fromarray(scaled).convert("RGB")
