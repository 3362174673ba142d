"""Metrics of hidden tokens, over counts of each text: tokens that were told, what they cost, and how many there are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from composer.problems import InputError, UndefinedScoreError
from composer_core.metrics.given import number

__all__ = ["counts", "perplexity", "sample", "token_accuracy"]

Row = tuple[float, float, float]


def sample() -> tuple[list[Any], list[Any]]:
    """Three texts; in the last one nothing was hidden."""
    rows = [(1.0, 1.5, 2.0), (3.0, 0.25, 3.0), (0.0, 0.0, 0.0)]
    return [tuple(np.float32(each) for each in row) for row in rows], [None] * len(rows)


def counts(predictions: Sequence[Any], references: Sequence[Any]) -> list[Row]:
    """The numbers of each text, as `core.token_scores` gives them: right ones, their cost in nats, all of them."""
    rows = []
    for each in predictions:
        right, cost, total = (number(part, "a prediction") for part in each)
        if not 0 <= right <= total:
            raise InputError(
                f"{right:g} tokens are right of {total:g}: name the outputs `right`, `cost` and `count`, in that order"
            )
        rows.append((right, cost, total))
    return rows


def token_accuracy(rows: Any) -> float:
    """The share of all hidden tokens whose best id is the right one."""
    right, _, total = _sums(rows)
    return right / total


def perplexity(rows: Any) -> float:
    """e to the mean negative log-likelihood of all hidden tokens: 1 where every one is sure and right."""
    _, cost, total = _sums(rows)
    return float(np.exp(cost / total)) if cost / total < math.log(1e300) else math.inf


def _sums(rows: Any) -> tuple[float, float, float]:
    right, cost, total = np.asarray(rows, dtype=np.float64).sum(axis=0).tolist()
    if total == 0:
        raise UndefinedScoreError(
            "no token of any text was hidden: ask it of more texts, or hide a larger share"
        )
    return right, cost, total
