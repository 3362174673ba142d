"""Data to train and to score with, and the scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from composer.plugin.declarations.base import Config, Declaration

__all__ = ["Dataset", "Metric"]


@dataclass(frozen=True)
class Dataset(Declaration):
    """Training or evaluation data: `builder(config)` gives a `composer.plugin.DatasetImplementation`: `splits`, the
    names of those that are scored and perhaps `train`, and `samples(split, epoch=0)`, a sequence of maps from field to
    value. Each epoch of `train` has equally many; a sample's field `name` is what messages call it.
    """

    noun: ClassVar[str] = "dataset"
    references: ClassVar[tuple[str, ...]] = ("builder",)
    config: type[Config]
    builder: str
    summary: str
    packages: tuple[str, ...] = ()
    """Distributions that the samples come from: their versions are kept in the record of a run."""


@dataclass(frozen=True)
class Metric(Declaration):
    """A score over predictions and references: `implementation(predictions, references) -> float`
    (`composer.plugin.MetricImplementation`).
    """

    noun: ClassVar[str] = "metric"
    references: ClassVar[tuple[str, ...]] = ("implementation",)
    implementation: str
    summary: str
    takes: tuple[str, ...] = ()
    """Kinds of the outputs that it can score, such as `("text",)`; empty where any will do."""
