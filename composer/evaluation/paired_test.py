"""Which of two runs is better on the same samples, or that it cannot be told."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from composer.evaluation.intervals import CONFIDENCE, RESAMPLES, is_share, resampled

__all__ = ["Comparison", "compare_samples", "compare_scores", "mcnemar"]

FLIPS = 10_000
"""Random signs of a permutation test."""
EXACT = 12
"""Up to so many samples that differ, all signs are tried."""


@dataclass(frozen=True)
class Comparison:
    """One score of two runs."""

    name: str
    first: float
    second: float
    low: float | None
    """The ends of the interval of the difference (second less first); None where it has none."""
    high: float | None
    p: float | None
    """How often a difference as large comes by chance alone; None where the interval alone decides."""
    test: str
    higher_is_better: bool
    confidence: float = CONFIDENCE

    @property
    def difference(self) -> float:
        return self.second - self.first

    @property
    def is_told(self) -> bool:
        """Whether one is better beyond chance."""
        if self.p is not None:
            return self.p < 1 - self.confidence
        return self.low is not None and self.high is not None and not self.low <= 0 <= self.high

    @property
    def is_second_better(self) -> bool:
        return (self.difference > 0) == self.higher_is_better

    def sentence(self, first: str, second: str, count: int) -> str:
        """``accuracy: B is better than A by 0.034 (95 % interval ..., p = 0.004, 500 samples)``, in one sentence."""
        share = f"{100 * self.confidence:.3g} %"
        interval = (
            ""
            if self.low is None or self.high is None
            else f"{share} interval {self.low:+.4f} to {self.high:+.4f}"
        )
        p = "" if self.p is None else f"p = {self.p:.2g}" if self.p >= 1e-4 else "p < 0.0001"
        told = ", ".join(filter(None, (interval, self.test, p, f"{count:,} samples")))
        if not self.is_told:
            both = f"{self.first:.4f} and {self.second:.4f}"
            return f"{self.name}: it cannot be told which is better, {first} or {second}: {both} ({told})"
        better, worse = (second, first) if self.is_second_better else (first, second)
        return f"{self.name}: {better} is better than {worse} by {abs(self.difference):.4f} ({told})"


def compare_samples(
    name: str,
    first: Sequence[float],
    second: Sequence[float],
    *,
    higher_is_better: bool = True,
    seed: int = 0,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
) -> Comparison:
    """Compare two means over the same samples: McNemar's exact test where samples are right or wrong, else by signs."""
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    gains = b - a
    found = resampled(
        lambda chosen: float(gains[chosen].mean()),
        len(gains),
        seed=seed,
        confidence=confidence,
        resamples=resamples,
    )
    low, high = found or (None, None)
    if is_share(a) and is_share(b):
        p, test = mcnemar(int((gains < 0).sum()), int((gains > 0).sum())), "McNemar's exact test"
    else:
        p, test = _by_signs(gains, seed), "sign-flip permutation test"
    return Comparison(
        name, float(a.mean()), float(b.mean()), low, high, p, test, higher_is_better, confidence
    )


def compare_scores(
    name: str,
    scores: tuple[Callable[[Sequence[int]], float], Callable[[Sequence[int]], float]],
    count: int,
    *,
    higher_is_better: bool = True,
    seed: int = 0,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
) -> Comparison:
    """Compare two scores of all samples together, by the bootstrap: both are scored on the same draws.

    Each function gives the score of the samples of some numbers.
    """
    first, second = scores
    every = range(count)
    found = resampled(
        lambda chosen: second(chosen) - first(chosen),
        count,
        seed=seed,
        confidence=confidence,
        resamples=resamples,
    )
    low, high = found or (None, None)
    return Comparison(
        name, first(every), second(every), low, high, None, "paired bootstrap", higher_is_better, confidence
    )


def mcnemar(lost: int, won: int) -> float:
    """How likely a split at least as uneven is by chance, where a coin decides the samples that differ.

    McNemar: Note on the sampling error of the difference between correlated proportions, 1947; the exact form.
    """
    count = lost + won
    if not count:
        return 1.0
    ways = sum(math.comb(count, k) for k in range(min(lost, won) + 1))
    return min(1.0, float(2 * ways / 2**count) if count < 1000 else 2 * _tail(count, min(lost, won)))


def _tail(count: int, most: int) -> float:
    """The probability of `most` heads or fewer, where whole numbers would be too long."""
    logs = [math.lgamma(count + 1) - math.lgamma(k + 1) - math.lgamma(count - k + 1) for k in range(most + 1)]
    return math.fsum(math.exp(log - count * math.log(2)) for log in logs)


def _by_signs(gains: NDArray[np.float64], seed: int) -> float:
    """How often random signs of the gains give a mean as far from zero."""
    moved = gains[gains != 0]
    if not len(moved):
        return 1.0
    reached = abs(moved.sum()) * (1 - 1e-12)  # sums in another order differ in their last digits
    if len(moved) <= EXACT:
        signs = 1 - 2 * ((np.arange(2 ** len(moved))[:, None] >> np.arange(len(moved))) & 1)
        return float((np.abs(signs @ moved) >= reached).mean())
    random = np.random.default_rng(seed)
    hits = sum(int(abs((random.integers(0, 2, len(moved)) * 2 - 1) @ moved) >= reached) for _ in range(FLIPS))
    return (hits + 1) / (FLIPS + 1)
