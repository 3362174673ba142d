"""Moving digits as samples: clips of handwritten digits that drift in one of eight directions.

Source of the digits: `sklearn.datasets.load_digits` (1,797 scans of 8 by 8 pixels, UCI, BSD licence). The scans
are split by a seeded permutation, so the digits of `validation` and `test` are never seen in training. Training
clips are drawn anew for each epoch, with a little rotation, stretch and stroke weight; `validation` and `test` hold
each of their digits once per direction, drawn once, without those changes of form.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from composer.problems import InputError
from composer_quickstart.captions import DIRECTIONS, digit_caption

if TYPE_CHECKING:
    from composer_quickstart.configs import MovingDigitsConfig

__all__ = ["MovingDigits"]

TEST_DIGITS = 360
VALIDATION_DIGITS = 180
HEIGHT = (13.0, 17.0)
"""Height of a digit's box in pixels of a 32-pixel frame."""
STEP = (1.5, 2.0)
"""Pixels per frame of a 32-pixel frame, along each axis that moves."""
CHUNK = 250
"""Clips rendered at once; bounds the memory of the coordinate arrays."""


class MovingDigits:
    """Samples `{video: uint8[frames, size, size, 3], caption}`; captions read "a seven moves up and left"."""

    splits = ("train", "validation", "test")

    def __init__(self, config: MovingDigitsConfig) -> None:
        self._config = config

    def digits(self, split: str) -> np.ndarray:
        """Indices into scikit-learn's digits that belong to a split."""
        if split not in self.splits:
            raise InputError(f"the moving digits have no split {split!r}; they have {', '.join(self.splits)}")
        order = np.random.default_rng(self._config.seed).permutation(len(_scans()[1]))
        bounds = {
            "test": (0, TEST_DIGITS),
            "validation": (TEST_DIGITS, TEST_DIGITS + VALIDATION_DIGITS),
            "train": (TEST_DIGITS + VALIDATION_DIGITS, len(order)),
        }
        first, last = bounds[split]
        return np.asarray(order[first:last])

    def samples(self, split: str, epoch: int = 0) -> list[Mapping[str, Any]]:
        """The clips of a split; those of `train` are drawn from the seed and the epoch, the others are fixed."""
        chosen = self.digits(split)
        source = zlib.crc32(split.encode())
        random = np.random.default_rng((self._config.seed, source, epoch if split == "train" else 0))
        if split == "train":
            which = random.choice(chosen, size=self._config.clips)
            directions = random.integers(len(DIRECTIONS), size=self._config.clips)
        else:
            which = np.repeat(chosen, len(DIRECTIONS))
            directions = np.tile(np.arange(len(DIRECTIONS)), len(chosen))
        images, labels = _scans()
        samples: list[Mapping[str, Any]] = []
        for start in range(0, len(which), CHUNK):
            part = slice(start, start + CHUNK)
            clips = _render(
                images[which[part]], directions[part], random, self._config, vary=split == "train"
            )
            captions = map(digit_caption, labels[which[part]].tolist(), directions[part].tolist())
            samples += [
                {"video": clip, "caption": caption} for clip, caption in zip(clips, captions, strict=True)
            ]
        return samples


@lru_cache(maxsize=1)
def _scans() -> tuple[np.ndarray, np.ndarray]:
    """All scans `[1797, 8, 8]` between 0 and 1, and their labels `[1797]`."""
    try:
        from sklearn.datasets import load_digits
    except ModuleNotFoundError as error:
        raise InputError("the moving digits need scikit-learn; install multimodal-composer[train]") from error
    data = load_digits()
    return data.images.astype(np.float32) / 16.0, data.target


def _render(
    scans: np.ndarray,
    directions: np.ndarray,
    random: np.random.Generator,
    config: MovingDigitsConfig,
    *,
    vary: bool,
) -> np.ndarray:
    """Draw clips `uint8[n, frames, size, size, 3]` of scans `[n, 8, 8]` that move in the given directions.

    A clip starts where the digit's box stays inside the frame to its end, uniformly among such places.
    """
    count, size, frames = len(scans), config.size, config.frames
    unit = size / 32.0
    height = random.uniform(*HEIGHT, size=count) * unit
    step = random.uniform(*STEP, size=(count, 2)) * unit
    moves = np.array([(motion.x, motion.y) for motion in DIRECTIONS])[directions] * step
    slack = np.maximum(size - height[:, None] - np.abs(moves) * (frames - 1), 0.0)
    travel = np.minimum(moves, 0.0) * (frames - 1)
    start = random.uniform(size=(count, 2)) * slack - travel + height[:, None] / 2
    centre = start[:, None] + moves[:, None] * np.arange(frames)[:, None]  # [n, frames, 2] as (x, y)
    transform = _forms(random, count, vary) * (8.0 / height)[:, None, None]
    weight = random.uniform(0.8, 1.0, size=count) if vary else np.ones(count)

    grid = np.stack(np.meshgrid(np.arange(size) + 0.5, np.arange(size) + 0.5, indexing="xy"), axis=-1)
    offset = grid[None, None] - centre[:, :, None, None]  # [n, frames, y, x, 2]
    place = np.einsum("nij,nfyxj->nfyxi", transform, offset) + 3.5
    bright = _bilinear(scans, place) * weight[:, None, None, None]
    bright = bright + random.normal(scale=config.noise, size=bright.shape)
    grey = (np.clip(bright, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=-1)


def _forms(random: np.random.Generator, count: int, vary: bool) -> np.ndarray:
    """Matrices `[n, 2, 2]` from frame to scan: a small rotation and a stretch of each axis, or the identity."""
    if not vary:
        return np.broadcast_to(np.eye(2), (count, 2, 2))
    angle = random.uniform(-0.2, 0.2, size=count)
    turn = np.stack([np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)], axis=-1).reshape(
        count, 2, 2
    )
    shear = np.zeros((count, 2, 2))
    shear[:, 0, 1] = random.uniform(-0.15, 0.15, size=count)
    shear[:, [0, 1], [0, 1]] = random.uniform(0.88, 1.14, size=(count, 2))
    return np.asarray(turn @ shear)


def _bilinear(scans: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Brightness `[n, ...]` of scans `[n, 8, 8]` at places `[n, ..., 2]` given as (x, y); zero outside."""
    padded = np.pad(scans, ((0, 0), (2, 2), (2, 2)))
    place = np.clip(place + 2.0, 0.0, 10.999)
    low = np.floor(place).astype(np.int64)
    part = (place - low).astype(np.float32)
    rows = np.arange(len(scans)).reshape(-1, *[1] * (place.ndim - 2))
    x, y, u, v = low[..., 0], low[..., 1], part[..., 0], part[..., 1]
    top = padded[rows, y, x] * (1 - u) + padded[rows, y, x + 1] * u
    bottom = padded[rows, y + 1, x] * (1 - u) + padded[rows, y + 1, x + 1] * u
    return np.asarray(top * (1 - v) + bottom * v)
