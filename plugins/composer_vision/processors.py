"""The host side of the vision modalities: raw pictures and clips to uint8 frames.

Files and bytes are decoded by a process of their own (`decoders.py`); arrays and Pillow images, which the caller has
decoded or chosen to decode here, are read in this one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from composer.media.decoders import read_each
from composer.problems import InputError
from composer_vision.configs import ImageConfig, VideoConfig
from composer_vision.decoders import decode_all
from composer_vision.reading import Reading, choose, squared

__all__ = ["ImageProcessor", "VideoProcessor", "sample_clips", "sample_pictures"]


class ImageProcessor:
    """Reads pictures as an `ImageConfig` says."""

    def __init__(self, config: ImageConfig) -> None:
        self.config = config
        self._how = Reading("picture", config.size, config.resize, config.crop, crop_share=config.crop_share)

    def encode(self, values: Sequence[Any]) -> dict[str, NDArray[np.uint8]]:
        """`{"frames": uint8 [B, 1, size, size, 3]}` from paths, bytes, Pillow images, arrays."""
        return {"frames": np.stack(_each(values, self._how, self._decoded_here))}

    def _decoded_here(self, value: Any) -> NDArray[np.uint8]:
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
        return {"frames": np.stack(_each(values, self._how, self._decoded_here))}

    def _decoded_here(self, value: Any) -> NDArray[np.uint8]:
        if not isinstance(value, np.ndarray):
            raise InputError(f"a clip is a path, bytes or an array, not a {type(value).__name__}: convert it")
        clip = _checked_clip(value)
        indices = choose("the clip given as array", len(clip), None, self._how)
        return np.stack([squared(clip[index], self._how) for index in indices])


def _each(
    values: Sequence[Any], how: Reading, decoded_here: Callable[[Any], NDArray[np.uint8]]
) -> list[NDArray[np.uint8]]:
    return read_each(values, how.what, partial(decode_all, how=how), decoded_here)


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
