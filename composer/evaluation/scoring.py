"""Scores of predictions against references, with their intervals and, where there is one, a number for each sample."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from composer.evaluation.intervals import CONFIDENCE, RESAMPLES, exact_share, is_share, resampled
from composer.graph import CheckedMetric
from composer.plugin import NoConfig
from composer.plugin.asking import ask, import_object
from composer.plugin.implementations import as_sample_scores, as_score
from composer.problems import ComposerError, UndefinedScoreError

__all__ = ["BoundMetric", "Score", "score_all"]

Numbers = NDArray[np.float64]
Pairs = tuple[Sequence[object], Sequence[object]]


@dataclass(frozen=True)
class Score:
    """What a metric says of all samples."""

    name: str
    metric: str
    value: float
    low: float | None = None
    """The ends of its interval; None where it has none."""
    high: float | None = None
    method: str = ""
    """How the interval was found: `exact` or `bootstrap`."""
    higher_is_better: bool = True
    samples: Sequence[float] = field(default=(), repr=False)
    """A number for each sample, where the metric has one."""
    undefined: str = ""
    """Why the metric has no score for these samples; the value is not a number then."""


@dataclass(frozen=True)
class BoundMetric:
    """A metric with its config and what messages call it: the one way in which metrics are run."""

    checked: CheckedMetric
    what: str
    copies: bool = True
    """Whether the metric has lists of its own: one that sorts or empties them then spoils no other's."""

    @property
    def _function(self) -> Callable[..., Any]:
        function: Callable[..., Any] = import_object(self.checked.metric.implementation, self.what)
        return function

    @property
    def _config(self) -> tuple[object, ...]:
        """What a metric with a config takes besides."""
        return () if self.checked.metric.config is NoConfig else (self.checked.config,)

    def _ask(self, pairs: Pairs, accept: Callable[[Any], Any]) -> Any:
        given = [list(side) if self.copies else side for side in pairs]
        return ask(self._function, *given, *self._config, what=self.what, accept=accept)

    def of_samples(self, pairs: Pairs) -> Numbers | None:
        """A number for each sample, or a row of them; None for a metric of all samples together."""
        metric = self.checked.metric
        if not metric.per_sample:
            return None
        accept = as_sample_scores(len(pairs[0]), rows=metric.combine is not None)
        return np.asarray(self._ask(pairs, accept), dtype=np.float64)

    def of_all(self, pairs: Pairs) -> float:
        """The score of a metric of all samples together."""
        return float(self._ask(pairs, as_score))

    def combined(self, values: Numbers) -> float:
        """The score from what samples have."""
        reference = self.checked.metric.combine
        if reference is None:
            return float(values.mean())
        function = import_object(reference, self.what)
        return float(ask(function, values, *self._config, what=self.what, accept=as_score))

    def score(
        self,
        pairs: Pairs,
        *,
        interval: bool = True,
        seed: int = 0,
        confidence: float = CONFIDENCE,
        resamples: int = RESAMPLES,
        undefined: bool = False,
    ) -> Score:
        """The score of samples; one that is not finite has no interval. `undefined`: a score that a metric does not
        have for these samples is NaN. Raises PluginError for a metric that fails.
        """
        metric, name = self.checked.metric, self.checked.name
        values, why = self.of_samples(pairs), ""
        try:
            value = self.of_all(pairs) if values is None else self.combined(values)
        except UndefinedScoreError as error:
            if not undefined:
                raise
            value, why = math.nan, str(error)
        found: tuple[float, float] | None = None
        method, count = "", len(pairs[0])
        if interval and count > 1 and math.isfinite(value):
            drawn = {"seed": seed, "confidence": confidence, "resamples": resamples}
            if values is None:
                method, found = "bootstrap", resampled(self.redrawn(pairs), count, **drawn)  # type: ignore[arg-type]
            elif metric.combine is None and not metric.graded and is_share(values):
                method, found = "exact", exact_share(int(values.sum()), count, confidence)
            else:
                drawn_anew = self.of_chosen(values)
                method, found = "bootstrap", resampled(drawn_anew, count, **drawn)  # type: ignore[arg-type]
        low, high = found if found is not None else (None, None)
        return Score(
            name,
            metric.id,
            value,
            low,
            high,
            method if found is not None else "",
            metric.higher_is_better,
            self.sample_scores(values),
            why,
        )

    def of_chosen(self, values: Numbers) -> Callable[[Sequence[int]], float]:
        """The score of samples by their numbers; not a number where the metric has none for them."""

        def score(chosen: Sequence[int]) -> float:
            try:
                return self.combined(values[np.asarray(chosen)])
            except ComposerError:  # such as a correlation of one value, drawn many times
                return math.nan

        return score

    def sample_scores(self, values: Numbers | None) -> Sequence[float]:
        """The number of each sample as people read it: of counts, the score of the sample alone."""
        if values is None or not self.checked.metric.alone:
            return ()
        return values.tolist() if values.ndim == 1 else [self.combined(row[None]) for row in values]

    def redrawn(self, pairs: Pairs) -> Callable[[Sequence[int]], float]:
        """The score of samples by their numbers; not a number where the metric has none for them."""

        def score(chosen: Sequence[int]) -> float:
            try:
                return self.of_all(([pairs[0][i] for i in chosen], [pairs[1][i] for i in chosen]))
            except ComposerError:  # such as a correlation of one value, drawn many times
                return math.nan

        return score


def score_all(
    metrics: Mapping[str, CheckedMetric] | Iterable[CheckedMetric],
    pairs: Pairs,
    where: str,
    *,
    interval: bool = True,
    seed: int = 0,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
    undefined: bool = False,
) -> list[Score]:
    """Every score of samples. `where` says in messages what is scored: ``output `answer` of task `qa` ``; `undefined`
    lets a score be NaN that its metric does not have for these samples.

    Raises PluginError for a metric that fails, InputError for predictions or references that it cannot use.
    """
    chosen = metrics.values() if isinstance(metrics, Mapping) else metrics
    drawn: dict[str, Any] = {
        "interval": interval, "seed": seed, "confidence": confidence, "resamples": resamples, "undefined": undefined
    }  # fmt: skip
    return [BoundMetric(each, f"{each.metric.title} ({where})").score(pairs, **drawn) for each in chosen]
