"""Where the true score lies: exact intervals of shares, and intervals by resampling of everything else."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["CONFIDENCE", "RESAMPLES", "exact_share", "is_share", "resampled"]

CONFIDENCE = 0.95
RESAMPLES = 1000
HALVINGS = 60
"""Steps of a bisection, after which nothing of a double changes."""

Numbers = NDArray[np.float64]


def is_share(values: Numbers) -> bool:
    """Whether a mean is a share: every sample is right (1) or wrong (0)."""
    return values.ndim == 1 and bool(np.isin(values, (0.0, 1.0)).all())


def exact_share(hits: int, count: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """The exact (Clopper-Pearson) interval of a share of independent samples.

    Clopper, Pearson: The use of confidence or fiducial limits illustrated in the case of the binomial, 1934.
    """
    tail = (1 - confidence) / 2
    logs = np.concatenate(([0.0], np.cumsum(np.log(np.arange(1, count + 1)))))
    ways = logs[count] - logs - logs[::-1]  # log of `count` over k, for every k

    def at_most(share: float, most: int) -> float:
        """The probability of `most` hits or fewer."""
        k = np.arange(most + 1)
        return float(np.exp(ways[: most + 1] + k * np.log(share) + (count - k) * np.log1p(-share)).sum())

    low = 0.0 if hits == 0 else _bisected(lambda share: 1 - at_most(share, hits - 1) < tail)
    high = 1.0 if hits == count else _bisected(lambda share: at_most(share, hits) > tail)
    return low, high


def _bisected(is_below: Callable[[float], bool]) -> float:
    """The number between 0 and 1 at which a test stops to hold."""
    low, high = 0.0, 1.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if is_below(middle) else (low, middle)
    return (low + high) / 2


def resampled(
    score: Callable[[Sequence[int]], float],
    count: int,
    *,
    seed: int = 0,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
) -> tuple[float, float] | None:
    """The interval by the bootstrap: the score of samples drawn with replacement, again and again.

    `score` is given the numbers of the samples. None where fewer than half of the draws have a score: a correlation has
    none where all of its samples are the same.
    """
    random = np.random.default_rng(seed)
    found = [score(random.integers(0, count, count)) for _ in range(resamples)]  # type: ignore[arg-type]
    finite = np.asarray([value for value in found if np.isfinite(value)])
    if 2 * len(finite) < resamples:
        return None
    tail = (1 - confidence) / 2
    low, high = np.quantile(finite, (tail, 1 - tail))
    return float(low), float(high)
