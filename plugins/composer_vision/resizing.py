"""Cropping and resizing of uint8 pictures, on the host."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image

__all__ = ["center_square", "resize_square", "resized_square"]

FILTERS = {
    "bicubic": Image.Resampling.BICUBIC,
    "bilinear": Image.Resampling.BILINEAR,
    "lanczos": Image.Resampling.LANCZOS,
}
NARROWEST = 64
"""Sides of a picture that are so many times as long as the others are cut before they are scaled."""


def center_square(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The largest square in the middle of picture[H, W, 3]; an odd pixel is cut from the end."""
    height, width = picture.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return picture[top : top + side, left : left + side]


def resize_square(picture: NDArray[np.uint8], size: int, how: str) -> NDArray[np.uint8]:
    """picture[H, W, 3] → [size, size, 3]. `nearest` is torch's choice of pixels, the rest is Pillow's."""
    return _resized(picture, size, size, how)


def resized_square(picture: NDArray[np.uint8], size: int, how: str, share: float) -> NDArray[np.uint8]:
    """The middle [size, size, 3] of picture[H, W, 3], scaled so that `share` of its shorter side is seen.

    Sides and corners are rounded as torchvision's Resize and CenterCrop round them.
    """
    height, width = picture.shape[:2]
    short = math.floor(size / share)
    if max(height, width) > NARROWEST * min(height, width):  # most of it would be scaled to be thrown away
        picture = _middle(picture, min(height, NARROWEST * width), min(width, NARROWEST * height))
        height, width = picture.shape[:2]
    tall, wide = (int(short * side / min(height, width)) for side in (height, width))
    return _middle(_resized(picture, tall, wide, how), size, size)


def _middle(picture: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    top, left = (
        round((have - want) / 2.0) for have, want in zip(picture.shape, (height, width), strict=False)
    )
    return picture[top : top + height, left : left + width]


def _resized(picture: NDArray[np.uint8], height: int, width: int, how: str) -> NDArray[np.uint8]:
    if how == "nearest":
        rows, columns = _nearest(picture.shape[0], height), _nearest(picture.shape[1], width)
        return picture[rows][:, columns]
    return np.asarray(Image.fromarray(picture).resize((width, height), FILTERS[how]))


def _nearest(length: int, size: int) -> NDArray[np.int64]:
    """The index of the source pixel of each target pixel, in the float32 arithmetic of torch."""
    scale = np.float32(length) / np.float32(size)
    indices: NDArray[np.int64] = np.floor(np.arange(size, dtype=np.float32) * scale).astype(np.int64)
    return np.minimum(indices, length - 1, dtype=np.int64)
