"""Metrics of boxes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from composer.problems import InputError
from composer_core.box_values import four_numbers
from composer_core.metric_types import BoxConfig

__all__ = ["box_accuracy", "overlap", "sample"]

Numbers = np.ndarray[Any, np.dtype[np.float64]]


def sample() -> tuple[list[Any], list[Any]]:
    """Two boxes: one near its reference, one far away."""
    return [np.array([0.0, 0.0, 2.0, 2.0]), np.array([5.0, 5.0, 6.0, 6.0])], [[0, 0, 2, 3], [0, 0, 1, 1]]


def box_accuracy(predictions: Sequence[Any], references: Sequence[Any], config: BoxConfig) -> list[float]:
    """1 for each box that overlaps its reference enough: intersection over union of `threshold` or more."""
    pairs = zip(predictions, references, strict=True)
    return [
        float(overlap(_box(p, config, "a prediction"), _box(r, config)) >= config.threshold) for p, r in pairs
    ]


def overlap(one: Numbers, other: Numbers) -> float:
    """Intersection over union of two boxes of corners; a box without area overlaps nothing."""
    low, high = np.maximum(one[:2], other[:2]), np.minimum(one[2:], other[2:])
    shared = float(np.prod(np.clip(high - low, 0, None)))
    areas = sum(float(np.prod(np.clip(box[2:] - box[:2], 0, None))) for box in (one, other))
    return shared / (areas - shared) if shared else 0.0


def _box(value: Any, config: BoxConfig, what: str = "the reference") -> Numbers:
    """The corners of a box."""
    try:
        found = four_numbers(value) if isinstance(value, str) else np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError, RecursionError):
        raise InputError(
            f"{what} {value!r:.60} is not a box: four numbers are expected ({config.form})"
        ) from None
    if found.shape != (4,):
        raise InputError(
            f"{what} has the shape {list(found.shape)}, and a box has four numbers ({config.form})"
        )
    return found if config.form == "xyxy" else np.concatenate((found[:2], found[:2] + found[2:]))
