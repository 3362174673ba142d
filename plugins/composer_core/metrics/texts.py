"""Metrics over texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from composer_core.metric_types import MatchConfig
from composer_core.metrics.given import texts_of

__all__ = ["exact_match", "sample"]


def sample() -> tuple[list[Any], list[Any]]:
    """Three texts, two of which are right: one of them word for word, one as the second of two references."""
    return ["a red circle", "two dogs", "no"], ["a red  circle", ["dogs", "two dogs"], "yes"]


def exact_match(predictions: Sequence[Any], references: Sequence[Any], config: MatchConfig) -> list[float]:
    """1 for each text that has the words of its reference, or of one of them, in their order."""

    def words(text: str) -> list[str]:
        return (text.casefold() if config.ignore_case else text).split()

    return [
        float(any(words(str(found)) == words(right) for right in texts_of(reference)))
        for found, reference in zip(predictions, references, strict=True)
    ]
