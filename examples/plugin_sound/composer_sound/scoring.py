"""The score of class scores."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["accuracy", "sample"]


def sample() -> tuple[list[list[float]], list[int]]:
    """Two predictions with their references, for the conformance kit: one is right."""
    return [[0.1, 0.9, 0.0], [0.7, 0.2, 0.1]], [1, 2]


def accuracy(predictions: Sequence[ArrayLike], references: Sequence[int]) -> float:
    """Part of the samples whose best class is the right one."""
    hits = [int(np.argmax(np.asarray(p))) == int(r) for p, r in zip(predictions, references, strict=True)]
    return sum(hits) / len(hits)
