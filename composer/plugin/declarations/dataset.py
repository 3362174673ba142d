"""Data to train and to score with, and the scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from composer.plugin.declarations.base import Config, Declaration

__all__ = ["Dataset", "Metric"]


@dataclass(frozen=True)
class Dataset(Declaration):
    """Training or evaluation data: `builder(config)` gives a `composer.plugin.DatasetImplementation`: `splits`, the
    names of those that are scored and perhaps `train`, and `samples(split, epoch=0)`, a sequence of maps from field to
    value. Each epoch of `train` has equally many, the other splits are fixed; a sample's field `name` is what messages
    call it.
    """

    noun: ClassVar[str] = "dataset"
    references: ClassVar[tuple[str, ...]] = ("builder",)
    config: type[Config]
    builder: str
    summary: str
    packages: tuple[str, ...] = ()
    """Distributions that the samples come from: their versions are kept in the record of a run."""
    programs: tuple[str, ...] = ()
    """Programs that make the samples, such as `("espeak-ng",)`: the conformance kit skips where one is missing."""
    gives: tuple[str, ...] = ()
    """Fields that every sample has, such as `("image", "caption")`."""
    examples: tuple[Mapping[str, Any], ...] = ()
    """Configs with which the conformance kit draws samples, a few small ones at best; empty takes the defaults."""


@dataclass(frozen=True)
class Metric(Declaration):
    """A score over predictions and references: `implementation(predictions, references) -> float`
    (`composer.plugin.MetricImplementation`).
    """

    noun: ClassVar[str] = "metric"
    references: ClassVar[tuple[str, ...]] = ("implementation", "sample")
    implementation: str
    summary: str
    takes: tuple[str, ...] = ()
    """Kinds of the outputs that it can score, such as `("text",)`; empty where any will do."""
    sample: str | None = None
    """A function without arguments to two lists, predictions and references of two samples or more, with which the
    conformance kit runs the metric."""
