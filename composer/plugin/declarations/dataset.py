"""Data to train and to score with, and the scores."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from composer.plugin.declarations.base import Config, Declaration, NoConfig
from composer.types import PortType

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
    """A score over predictions and references: `implementation(predictions, references) -> float`, with the config as a
    third argument where the metric has one (`composer.plugin.MetricImplementation`).

    A metric that is a mean over samples is `per_sample`: it gives one number for each, so that the worst samples, an
    interval and a paired test are known. One whose samples give counts (BLEU) is `per_sample` with a `combine`.
    """

    noun: ClassVar[str] = "metric"
    references: ClassVar[tuple[str, ...]] = ("implementation", "sample", "combine")
    implementation: str
    summary: str
    takes: tuple[str, ...] = ()
    """Kinds of the outputs that it can score, such as `("text",)`, and with them their sub-kinds; empty where any will
    do."""
    sample: str | None = None
    """A function without arguments to two lists, predictions and references of two samples or more, with which the
    conformance kit runs the metric."""
    config: type[Config] = NoConfig
    per_sample: bool = False
    """Whether the implementation gives a list with a number for each sample, of which the score is the mean."""
    combine: str | None = None
    """A function of what samples give, then a row of numbers each (an array), to the score, with the config as a second
    argument where the metric has one; None: their mean is it."""
    alone: bool = True
    """Whether a sample of a `per_sample` metric has a score of its own: one alone has no F1 and no correlation."""
    graded: bool = False
    """Whether a sample may have other numbers than right (1) and wrong (0), such as a distance: the interval is then
    never that of a share, also where the samples at hand have no others."""
    outputs: tuple[int, ...] = (1,)
    """How many outputs make a prediction. Of several, a prediction is a tuple with a value of each."""
    check_outputs: Callable[[Any, Sequence[PortType]], None] | None = None
    """A function of the config and the types of the outputs that raises `InputError` where the two do not go together,
    such as the best 5 of `scores[B, 3]`. It runs when a document is checked, so it imports nothing heavy."""
    needs_reference: bool = True
    """Whether it compares with something; one that does not is given None for each sample."""
    higher_is_better: bool = True
    usual_for: tuple[str, ...] = ()
    """Kinds of outputs that are scored by it where nobody names a metric."""
    examples: tuple[Mapping[str, Any], ...] = ()
    """Configs with which the conformance kit runs it; empty takes the defaults."""
    packages: tuple[str, ...] = ()
    """Distributions that it computes with: the conformance kit skips where one is missing."""
