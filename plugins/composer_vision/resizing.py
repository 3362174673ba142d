"""Cropping and resizing of uint8 pictures, on the host."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

__all__ = ["center_square", "resize_square"]

FILTERS = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}


def center_square(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The largest square in the middle of picture[H, W, 3]; an odd pixel is cut from the end."""
    height, width = picture.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return picture[top : top + side, left : left + side]


def resize_square(picture: NDArray[np.uint8], size: int, how: str) -> NDArray[np.uint8]:
    """picture[H, W, 3] → [size, size, 3]. `nearest` is torch's choice of pixels, the rest is Pillow's."""
    if how == "nearest":
        rows, columns = (_nearest(length, size) for length in picture.shape[:2])
        return picture[rows][:, columns]
    return np.asarray(Image.fromarray(picture).resize((size, size), FILTERS[how]))


def _nearest(length: int, size: int) -> NDArray[np.int64]:
    """The index of the source pixel of each target pixel, in the float32 arithmetic of torch."""
    scale = np.float32(length) / np.float32(size)
    indices: NDArray[np.int64] = np.floor(np.arange(size, dtype=np.float32) * scale).astype(np.int64)
    return np.minimum(indices, length - 1, dtype=np.int64)
