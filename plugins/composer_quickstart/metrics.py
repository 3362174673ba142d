"""Scores of generated text against references."""

from __future__ import annotations

from collections.abc import Sequence

from composer_quickstart.captions import read_digit_caption

__all__ = ["digit_accuracy", "direction_accuracy", "exact_match", "sample"]


def sample() -> tuple[list[str], list[str]]:
    """Three captions with their references, for the conformance kit: right, half right, and none."""
    references = ["a seven moves up and left", "a two moves down", "a nine moves right"]
    return [references[0], "a two moves up", "a blue circle"], references


def exact_match(predictions: Sequence[str], references: Sequence[str]) -> float:
    """Part of the predictions that equal their reference, word for word."""
    return _mean([a.split() == b.split() for a, b in zip(predictions, references, strict=True)])


def digit_accuracy(predictions: Sequence[str], references: Sequence[str]) -> float:
    """Part of the captions that name the reference's digit."""
    return _agreement(predictions, references, 0)


def direction_accuracy(predictions: Sequence[str], references: Sequence[str]) -> float:
    """Part of the captions that state the reference's direction in full."""
    return _agreement(predictions, references, 1)


def _agreement(predictions: Sequence[str], references: Sequence[str], part: int) -> float:
    pairs = zip(predictions, references, strict=True)
    return _mean([read_digit_caption(a)[part] == read_digit_caption(b)[part] for a, b in pairs])


def _mean(hits: list[bool]) -> float:
    return sum(hits) / len(hits) if hits else 0.0
