"""The host side of the vision modalities: raw pictures and clips to uint8 frames."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from composer.problems import InputError
from composer_vision.clips import ClipLength, read_frames
from composer_vision.configs import ImageConfig, VideoConfig
from composer_vision.pictures import read_picture
from composer_vision.resizing import center_square, resize_square
from composer_vision.sampling import frames_at_rate, middle_frames, padded
from composer_vision.sources import Source

__all__ = ["ImageProcessor", "VideoProcessor"]


class ImageProcessor:
    """Reads pictures as an `ImageConfig` says."""

    def __init__(self, config: ImageConfig) -> None:
        self.config = config

    def encode(self, values: Sequence[Any]) -> dict[str, NDArray[np.uint8]]:
        """`{"frames": uint8 [B, 1, size, size, 3]}` from paths, bytes, Pillow images, arrays."""
        pictures = _each(values, "picture", lambda value: _squared(read_picture(value), self.config))
        return {"frames": np.stack(pictures)[:, None]}


class VideoProcessor:
    """Reads clips as a `VideoConfig` says."""

    def __init__(self, config: VideoConfig) -> None:
        self.config = config

    def encode(self, values: Sequence[Any]) -> dict[str, NDArray[np.uint8]]:
        """`{"frames": uint8 [B, frames, size, size, 3]}` from paths, bytes or arrays."""
        return {"frames": np.stack(_each(values, "clip", self._clip))}

    def _clip(self, value: Any) -> NDArray[np.uint8]:
        if isinstance(value, np.ndarray):
            clip = _checked_clip(value)
            indices = self._choose("the clip given as array", ClipLength(len(clip), None))
            return np.stack([_squared(clip[index], self.config) for index in indices])
        if not isinstance(value, (str, os.PathLike, bytes)):
            raise InputError(f"a clip is a path, bytes or an array, not a {type(value).__name__}: convert it")
        source = Source.of(value, "clip")
        choose = partial(self._choose, source.name)
        return np.stack(read_frames(source, choose, partial(_squared, config=self.config)))

    def _choose(self, name: str, length: ClipLength) -> list[int]:
        """The indices of the frames that are taken; a clip too short for the rate gives its middle frame."""
        config = self.config
        if config.sampling == "middle":
            return padded(middle_frames(config.frames, length.frames), config.frames)
        if length.rate is None:
            raise InputError(f"{name} says no frame rate: use sampling: middle, or give a file that has one")
        indices = frames_at_rate(config.rate, length.frames, length.rate, config.frames)
        return padded(indices or middle_frames(1, length.frames), config.frames)


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


def _squared(picture: NDArray[np.uint8], config: ImageConfig | VideoConfig) -> NDArray[np.uint8]:
    """picture[H, W, 3] → [size, size, 3], cropped and resized as the config says."""
    square = center_square(picture) if config.crop == "center" else picture
    return resize_square(square, config.size, config.resize)
