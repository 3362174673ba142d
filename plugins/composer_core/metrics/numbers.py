"""Metrics over real numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from composer.problems import UndefinedScoreError
from composer_core.metrics.given import number
from composer_core.metrics.libraries import scipy_stats

__all__ = ["mean_error", "number_pairs", "pearson", "sample", "spearman"]


def sample() -> tuple[list[Any], list[Any]]:
    """Four numbers that are near their references."""
    return [np.float32(x) for x in (1.0, 2.5, 2.0, 4.0)], [1.0, 2.0, 3.0, 4.0]


def mean_error(predictions: Sequence[Any], references: Sequence[Any]) -> list[float]:
    """The distance of each number from its reference."""
    found, right = _numbers(predictions, references)
    return [float(distance) for distance in np.abs(found - right)]


def number_pairs(predictions: Sequence[Any], references: Sequence[Any]) -> list[tuple[float, float]]:
    """Each number with its reference."""
    found, right = _numbers(predictions, references)
    return list(zip(found.tolist(), right.tolist(), strict=True))


def pearson(pairs: Any) -> float:
    """Pearson's correlation. Raises UndefinedScoreError where either side is the same for all samples: it has none."""
    found, right = _sides(pairs)
    return float(np.corrcoef(found, right)[0, 1])


def spearman(pairs: Any) -> float:
    """Pearson's correlation of the ranks, equal numbers sharing theirs. Raises as `pearson` does."""
    found, right = _sides(pairs)
    return float(scipy_stats("core.spearman").spearmanr(found, right).statistic)


def _sides(pairs: Any) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    found, right = np.asarray(pairs).T
    _hold_spread(found, right)
    return found, right


def _numbers(
    predictions: Sequence[Any], references: Sequence[Any]
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    return (
        np.array([number(each, "a prediction") for each in predictions]),
        np.array([number(each) for each in references]),
    )


def _hold_spread(found: np.ndarray[Any, Any], right: np.ndarray[Any, Any]) -> None:
    for values, what in ((found, "prediction"), (right, "reference")):
        if (values == values[0]).all():
            raise UndefinedScoreError(
                f"a correlation needs numbers that differ, and every {what} is {values[0]:.6g} ({len(values)} samples)"
            )
