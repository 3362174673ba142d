"""Reading pictures with Pillow: whatever a file holds becomes red, green and blue, as a viewer shows it."""

from __future__ import annotations

import os
import warnings
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from composer.problems import InputError
from composer_vision.sources import MAX_PIXELS, Source, check_pixels

__all__ = ["read_picture", "to_rgb"]

SIXTEEN_BITS = 65_535

# What pictures are kept in. Pillow reads more, and runs other programs for some (EPS).
FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF", "PPM", "JPEG2000")


def read_picture(value: Any) -> NDArray[np.uint8]:
    """A picture as an array [height, width, 3].

    `value` is a path, bytes, a Pillow image or such an array. Of an animation the first frame is taken; a
    rotation noted by the camera is applied; transparency is laid on white; 16-bit grey is scaled.

    Raises InputError, with the file's name, for what is no picture, is damaged or too large.
    """
    if isinstance(value, np.ndarray):
        return _checked(value)
    if isinstance(value, Image.Image):
        return _decoded(value, "the Pillow image")
    if not isinstance(value, (str, os.PathLike, bytes)):
        raise InputError(
            f"a picture is a path, bytes, a Pillow image or an array: convert this {type(value).__name__}"
        )
    source = Source.of(value, "picture")
    with source.open() as stream, _opened(stream, source.name) as image:
        return _decoded(image, source.name)


def _opened(stream: BinaryIO, name: str) -> Image.Image:
    """The image with its header read."""
    try:
        with warnings.catch_warnings():
            # Pillow warns about pictures that are large and below its limit; ours is checked in _decoded.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            return Image.open(stream, formats=FORMATS)
    except Image.DecompressionBombError as error:
        raise InputError(f"{name} has more than {MAX_PIXELS:,} pixels: scale it down first") from error
    except UnidentifiedImageError as error:
        raise InputError(
            f"{name} is not a picture that can be read: give PNG, JPEG, GIF, WebP, BMP or TIFF"
        ) from error
    except Exception as error:  # a decoder may raise anything on a file made to break it
        raise InputError(f"{name} is a damaged picture ({error}): export it again") from error


def _checked(array: NDArray[Any]) -> NDArray[np.uint8]:
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3 or 0 in array.shape:
        raise InputError(
            f"a picture given as array is uint8 [height, width, 3], not {array.dtype} {list(array.shape)}: "
            "convert it, colours in the order red, green, blue"
        )
    return array


def _decoded(image: Image.Image, name: str) -> NDArray[np.uint8]:
    check_pixels(name, *image.size)
    try:
        image.load()
        image = ImageOps.exif_transpose(image)
    except Exception as error:  # as above
        raise InputError(
            f"{name} is damaged or cut short ({error}): fetch it again, or open it and export it"
        ) from error
    if 0 in image.size:
        raise InputError(f"{name} has no pixels: it is {image.width} x {image.height}")
    return np.asarray(to_rgb(image, name))


def to_rgb(image: Image.Image, name: str) -> Image.Image:
    """The image in mode RGB. Raises InputError for pixel values whose range nobody can know."""
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode.startswith("I") or image.mode == "F":
        return _from_deep_grey(image, name).convert("RGB")
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image.convert("RGBA")).convert("RGB")
    return image.convert("RGB")


def _from_deep_grey(image: Image.Image, name: str) -> Image.Image:
    """Scale 16-bit grey to 8 bits (Pillow's own conversion would clip it)."""
    values = np.asarray(image)
    if image.mode == "F" or values.min() < 0 or values.max() > SIXTEEN_BITS:
        raise InputError(
            f"{name} has pixel values of unknown range (mode {image.mode}): convert it to 8 or 16 bits"
        )
    scaled = (values.astype(np.uint32) * 255 + SIXTEEN_BITS // 2) // SIXTEEN_BITS
    return Image.fromarray(scaled.astype(np.uint8))
