"""Reading pictures with Pillow: whatever the file holds becomes red, green and blue, 0 to 255, as a viewer shows it."""

from __future__ import annotations

import os
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from composer.problems import InputError
from composer_vision.sources import MAX_PIXELS, Source, check_pixels

__all__ = ["read_picture", "to_rgb"]

SIXTEEN_BITS = 65_535


def read_picture(value: Any) -> NDArray[np.uint8]:
    """A picture as an array [height, width, 3].

    `value` is a path, bytes, a Pillow image or such an array. Of an animation the first frame is taken; a rotation
    noted by the camera is applied; transparency is laid on white; 16-bit grey is scaled. Raises InputError.
    """
    if isinstance(value, np.ndarray):
        return _checked(value)
    if isinstance(value, Image.Image):
        return _decode(value, "the Pillow image")
    if not isinstance(value, (str, os.PathLike, bytes)):
        raise InputError(
            f"a picture is a path, bytes, a Pillow image or an array, not a {type(value).__name__}: convert it"
        )
    source = Source.of(value, "picture")
    with source.open() as stream:
        try:
            with warnings.catch_warnings():
                # Pillow warns about large pictures below its own limit; ours is checked on the next line but one.
                warnings.simplefilter("ignore", Image.DecompressionBombWarning)
                image = Image.open(stream)
        except Image.DecompressionBombError as error:
            raise InputError(
                f"{source.name} has more than {MAX_PIXELS:,} pixels: scale it down first"
            ) from error
        except UnidentifiedImageError as error:
            raise InputError(
                f"{source.name} is not a picture that can be read: give a PNG, JPEG, GIF, WebP, BMP or TIFF file"
            ) from error
        except Exception as error:  # a decoder may raise anything on a file made to break it
            raise InputError(
                f"{source.name} cannot be read as a picture ({error}): export it again"
            ) from error
        with image:
            return _decode(image, source.name)


def _checked(array: NDArray[Any]) -> NDArray[np.uint8]:
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3 or 0 in array.shape:
        raise InputError(
            f"a picture given as array is uint8 [height, width, 3], not {array.dtype} {list(array.shape)}: "
            "convert it, colours in the order red, green, blue"
        )
    return array


def _decode(image: Image.Image, name: str) -> NDArray[np.uint8]:
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
            f"{name} has pixel values of unknown range (mode {image.mode}): convert it to 8 or 16 bits a colour"
        )
    scaled = (values.astype(np.uint32) * 255 + SIXTEEN_BITS // 2) // SIXTEEN_BITS
    return Image.fromarray(scaled.astype(np.uint8))
