"""Reading pictures with Pillow: whatever a file holds becomes red, green and blue, as a viewer shows it."""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Callable
from typing import Any, BinaryIO, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from composer.problems import InputError
from composer.problems.media_source import MediaSource
from composer_vision.largest import MAX_PIXELS, check_pixels
from composer_vision.metadata import orientation, without_metadata
from composer_vision.modes import load, to_rgb

__all__ = ["decoded", "read_opened", "read_picture"]

# What pictures are kept in. Pillow reads more, and runs other programs for some (EPS).
FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF", "PPM", "JPEG2000")

MOST_REREAD_BYTES = 1 << 30
"""The largest file whose notes are taken out where they stand in the way: it is held in memory for that."""

Result = TypeVar("Result")


def read_picture(value: Any) -> NDArray[np.uint8]:
    """A picture as an array [height, width, 3].

    `value` is a path, bytes, a Pillow image or such an array. Of an animation the first frame is taken; a
    rotation noted by the camera is applied; transparency is laid on white; 16-bit grey is scaled. Faults of
    what else a file notes (tags, profiles, texts) are not faults of the picture.

    Raises InputError, with the file's name, for what is not a picture, is damaged or too large.
    """
    if isinstance(value, np.ndarray):
        return _checked(value)
    if isinstance(value, Image.Image):
        return _quietly(lambda: decoded(value, "the Pillow image"), "the Pillow image")
    if not isinstance(value, (str, os.PathLike, bytes)):
        raise InputError(
            f"a picture is a path, bytes, a Pillow image or an array: convert this {type(value).__name__}"
        )
    source = MediaSource.of(value, "picture")
    return read_opened(source, lambda image: decoded(image, source.name))


def read_opened(source: MediaSource, read: Callable[[Image.Image], Result]) -> Result:
    """What `read` makes of the opened file; where it fails, of the file without its metadata."""
    with source.open() as stream:
        try:
            return _quietly(lambda: _read(stream, source.name, read), source.name)
        except InputError:
            bare = _bare(stream)
            if bare is None:
                raise
            try:
                return _quietly(lambda: _read(io.BytesIO(bare), source.name, read), source.name)
            except InputError:
                pass  # the fault lies elsewhere: the first message says where
            raise


def _bare(stream: BinaryIO) -> bytes | None:
    if stream.seek(0, os.SEEK_END) > MOST_REREAD_BYTES:
        return None
    stream.seek(0)
    try:
        return without_metadata(stream.read())
    except Exception:  # the file may be anything
        return None


def _read(stream: BinaryIO, name: str, read: Callable[[Image.Image], Result]) -> Result:
    with Image.open(stream, formats=FORMATS) as image:
        check_pixels(name, *image.size)
        return read(image)


def _quietly(read: Callable[[], Result], name: str) -> Result:
    """The result, without Pillow's warnings; what Pillow raises becomes an InputError."""
    try:
        with warnings.catch_warnings():
            # Pillow warns about large pictures, whose size is checked here, and about faults of metadata.
            warnings.simplefilter("ignore")
            return read()
    except InputError:
        raise
    except Image.DecompressionBombError as error:
        raise InputError(f"{name} has more than {MAX_PIXELS:,} pixels: scale it down first") from error
    except UnidentifiedImageError as error:
        raise InputError(
            f"{name} is not a picture that can be read: give PNG, JPEG, GIF, WebP, BMP or TIFF"
        ) from error
    except Exception as error:  # a decoder may raise anything on a file made to break it
        raise InputError(
            f"{name} is damaged or cut short ({error}): fetch it again, or open it and export it"
        ) from error


def _checked(array: NDArray[Any]) -> NDArray[np.uint8]:
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3 or 0 in array.shape:
        raise InputError(
            f"a picture given as array is uint8 [height, width, 3], not {array.dtype} {list(array.shape)}: "
            "convert it, colours in the order red, green, blue"
        )
    return array


def decoded(image: Image.Image, name: str) -> NDArray[np.uint8]:
    """The current frame of an opened image as [height, width, 3], as a viewer shows it."""
    check_pixels(name, *image.size)
    load(image, name)
    if 0 in image.size:
        raise InputError(f"{name} has no pixels: it is {image.width} x {image.height}")
    turn = orientation(image)
    colours = to_rgb(image, name)
    return np.asarray(colours if turn is None else colours.transpose(turn))
