"""Every mode that Pillow knows, as red, green and blue."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngImageFile

from composer.problems import InputError
from composer_vision.deep_colours import deep_colours
from composer_vision.low_halves import LowHalves, stored_as

__all__ = ["load", "to_rgb"]

EIGHT_BITS, SIXTEEN_BITS = 255, 65_535
FIRST_LOST = 65_408
"""The first value of 16 bits that rounds to 256 of 8: Pillow keeps the 0 of that for colours of JPEG 2000."""

SIXTEEN_BIT_MODES = ("I;16", "I;16L", "I;16B", "I;16N")

PREMULTIPLIED = {"La": "LA", "RGBa": "RGBA"}
"""Modes whose colours were multiplied by their opacity, each with the one that Pillow converts further."""


GREY_LEVELS = {"L;2": 85, "L;4": 17}
"""What one step of grey is of 255, by the way that a PNG stores it."""


def load(image: Image.Image, name: str) -> None:
    """Read the pixels. The transparent colour of a PNG, given in stored levels, is put into those of the pixels; white
    of a deep JPEG 2000, which Pillow rounds up beyond 8 bits to black, is white.

    Raises InputError for 16-bit colours of which nothing would be left: values of 8 bits that were stored in 16.
    """
    stored, low, deep = stored_as(image), LowHalves.of(image), deep_colours(image)
    position = 0 if low is None else low.stream.tell()
    clear = image.info.get("transparency")
    levels = isinstance(clear, tuple) and isinstance(image, PngImageFile)
    below = low.read() if low is not None and levels else None
    if low is not None:
        low.stream.seek(position)
    image.load()
    if deep is not None:
        _mend_deep(image, deep, name)
    if low is not None and image.mode in ("RGB", "RGBA") and _is_black(image):
        below = low.read() if below is None else below
        if below.any():
            raise InputError(_too_dark(name, int(below.max())))
    if below is not None and levels:
        found = (np.asarray(image).astype(np.uint16) << 8) | below
        opacity = np.where((found == np.array(clear)).all(axis=2), 0, 255).astype(np.uint8)
        del image.info["transparency"]
        image.putalpha(Image.fromarray(opacity))
    elif isinstance(clear, int) and isinstance(image, PngImageFile) and stored in GREY_LEVELS:
        image.info["transparency"] = clear * GREY_LEVELS[stored]


def _mend_deep(image: Image.Image, read: Callable[[], NDArray[np.uint16] | None], name: str) -> None:
    """Put back what went beyond 8 bits. Raises InputError where nothing would be left."""
    deep = read() if image.format == "JPEG2000" or _is_black(image) else None
    if deep is None or deep.shape != np.asarray(image).shape:
        return
    lost = deep >= FIRST_LOST if image.format == "JPEG2000" else np.zeros(deep.shape, dtype=bool)
    if lost.any():
        bands = np.array(image)
        bands[lost & (bands == 0)] = EIGHT_BITS
        image.paste(Image.fromarray(bands))
    if _is_black(image) and deep[..., :3].any():
        raise InputError(_too_dark(name, int(deep[..., :3].max())))


def _is_black(image: Image.Image) -> bool:
    return not any(image.getchannel(band).getextrema()[1] for band in "RGB")


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
        raise InputError(_too_dark(name, int(values.max())))
    scaled = ((values * 255 + SIXTEEN_BITS // 2) // SIXTEEN_BITS).astype(np.uint8)
    clear = image.info.get("transparency")
    if isinstance(clear, int):
        scaled[values == clear] = 255
    return Image.fromarray(scaled).convert("RGB")


def _too_dark(name: str, brightest: int) -> str:
    return (
        f"{name} has 16 bits for each value and none above {brightest}, so it would be black: if its values are those "
        "of 8 bits, convert it to 8 bits"
    )
