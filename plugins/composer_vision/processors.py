"""The host side of the vision modalities: raw pictures and clips to uint8 frames.

Files and bytes are decoded by a process of their own (`decoders.py`); arrays and Pillow images, which the caller has
decoded or chosen to decode here, are read in this one.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from composer.problems import InputError
from composer_vision.configs import ImageConfig, VideoConfig
from composer_vision.decoders import decode
from composer_vision.reading import Reading, choose, squared
from composer_vision.sources import MediaSource

__all__ = ["ImageProcessor", "VideoProcessor", "sample_clips", "sample_pictures"]


class ImageProcessor:
    """Reads pictures as an `ImageConfig` says."""

    def __init__(self, config: ImageConfig) -> None:
        self.config = config
        self._how = Reading("picture", config.size, config.resize, config.crop, crop_share=config.crop_share)

    def encode(self, values: Sequence[Any]) -> dict[str, NDArray[np.uint8]]:
        """`{"frames": uint8 [B, 1, size, size, 3]}` from paths, bytes, Pillow images, arrays."""
        return {"frames": np.stack(_each(values, "picture", self._picture))}

    def _picture(self, value: Any) -> NDArray[np.uint8]:
        if isinstance(value, (str, os.PathLike, bytes)):
            return decode(MediaSource.of(value, "picture"), self._how)
        from composer_vision.pictures import read_picture

        return squared(read_picture(value), self._how)[None]


class VideoProcessor:
    """Reads clips as a `VideoConfig` says."""

    def __init__(self, config: VideoConfig) -> None:
        self.config = config
        self._how = Reading(
            "clip",
            config.size,
            config.resize,
            config.crop,
            config.frames,
            config.sampling,
            config.rate,
            config.crop_share,
        )

    def encode(self, values: Sequence[Any]) -> dict[str, NDArray[np.uint8]]:
        """`{"frames": uint8 [B, frames, size, size, 3]}` from paths, bytes or arrays."""
        return {"frames": np.stack(_each(values, "clip", self._clip))}

    def _clip(self, value: Any) -> NDArray[np.uint8]:
        if isinstance(value, np.ndarray):
            clip = _checked_clip(value)
            indices = choose("the clip given as array", len(clip), None, self._how)
            return np.stack([squared(clip[index], self._how) for index in indices])
        if not isinstance(value, (str, os.PathLike, bytes)):
            raise InputError(f"a clip is a path, bytes or an array, not a {type(value).__name__}: convert it")
        return decode(MediaSource.of(value, "clip"), self._how)


def _each(
    values: Sequence[Any], what: str, read: Callable[[Any], NDArray[np.uint8]]
) -> list[NDArray[np.uint8]]:
    """Every value read; of several, the one that cannot be read is named by its number, too."""
    if isinstance(values, (str, bytes)) or not len(values):
        raise InputError(f"a batch is a list with at least one {what}: put a single one in brackets")
    found = []
    for number, value in enumerate(values, 1):
        try:
            found.append(read(value))
        except InputError as error:
            if len(values) == 1:
                raise
            raise InputError(f"{what} {number} of the batch: {error}") from error
    return found


def _checked_clip(array: NDArray[Any]) -> NDArray[np.uint8]:
    if array.dtype != np.uint8 or array.ndim != 4 or array.shape[3] != 3 or 0 in array.shape:
        raise InputError(
            f"a clip given as array is uint8 [frames, height, width, 3], not {array.dtype} "
            f"{list(array.shape)}: convert it, colours in the order red, green, blue"
        )
    return array


def sample_pictures(config: ImageConfig) -> list[NDArray[np.uint8]]:
    """Two pictures of unequal size, for the conformance kit."""
    return [np.zeros((6, 9, 3), dtype=np.uint8), np.full((12, 7, 3), 200, dtype=np.uint8)]


def sample_clips(config: VideoConfig) -> list[NDArray[np.uint8]]:
    """Two clips of unequal length and size, for the conformance kit."""
    return [np.zeros((5, 6, 9, 3), dtype=np.uint8), np.full((3, 12, 7, 3), 200, dtype=np.uint8)]
