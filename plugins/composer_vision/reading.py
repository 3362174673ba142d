"""From a file or its bytes to the frames that a model sees. The process that decodes imports this, and no config."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from composer.problems import InputError
from composer.problems.media_source import MediaSource
from composer_vision.sampling import frames_at_rate, middle_frames, padded

__all__ = ["Reading", "choose", "read", "read_fields", "squared"]


@dataclass(frozen=True)
class Reading:
    """What is read of a value and how: the fields of a config that concern the host."""

    what: Literal["picture", "clip"]
    size: int
    resize: str
    crop: str
    frames: int = 1
    sampling: str = "middle"
    rate: float = 1.0
    crop_share: float = 1.0

    @property
    def shape(self) -> tuple[int, ...]:
        """[frames, size, size, 3], whatever the value is."""
        return (self.frames, self.size, self.size, 3)


def read(source: MediaSource, how: Reading) -> NDArray[np.uint8]:
    """The frames [frames, size, size, 3] of a picture or a clip. Raises InputError for what cannot be decoded."""
    if how.what == "picture":
        from composer_vision.pictures import decoded, read_opened

        picture = read_opened(source, lambda image: decoded(image, source.name))
        return squared(picture, how)[None]
    from composer_vision.clips import read_frames  # PyAV, which pictures do without

    frames: Sequence[Any] = read_frames(
        source, lambda length: choose(source.name, length.frames, length.rate, how), partial(squared, how=how)
    )
    return np.stack(frames)


def read_fields(source: MediaSource, **how: Any) -> NDArray[np.uint8]:
    """`read` as another process asks for it: by the fields of a `Reading`."""
    return read(source, Reading(**how))


def choose(name: str, frames: int, rate: float | None, how: Reading) -> list[int]:
    """The indices of the frames that are taken; a clip too short for the rate gives its middle frame."""
    if how.sampling == "middle":
        return padded(middle_frames(how.frames, frames), how.frames)
    if rate is None:
        raise InputError(f"{name} says no frame rate: use sampling: middle, or give a file that has one")
    indices = frames_at_rate(how.rate, frames, rate, how.frames)
    return padded(indices or middle_frames(1, frames), how.frames)


def squared(picture: NDArray[np.uint8], how: Reading) -> NDArray[np.uint8]:
    """picture[H, W, 3] → [size, size, 3], cropped and resized."""
    from composer_vision.resizing import center_square, resize_square, resized_square

    if how.crop == "resized":
        return resized_square(picture, how.size, how.resize, how.crop_share)
    square = center_square(picture) if how.crop == "center" else picture
    return resize_square(square, how.size, how.resize)
