"""The scores of answered samples: of those that a file holds, and of those that stay in memory."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from composer.evaluation.scored_samples import ScoredSample, hold_finite, pairs_of
from composer.evaluation.scoring import Score, score_all
from composer.graph import CheckedEvaluation
from composer.plugin import Registry
from composer.problems import InputError

__all__ = ["scores_of_samples", "text_kinds"]


def scores_of_samples(
    evaluation: CheckedEvaluation,
    samples: Sequence[ScoredSample],
    kinds: Mapping[str, str],
    registry: Registry,
    task: str,
    *,
    finite: bool,
    **drawn: Any,
) -> list[Score]:
    """The scores of samples without errors. `kinds` is the kind of every output, `drawn` what `score_all` takes.

    A metric without a score for these samples has one that says why.

    Raises InputError where no metric has a score, or a prediction or a score has to be finite and is not, PluginError
    for a metric that fails.
    """
    pairs = pairs_of(samples, evaluation.outputs, kinds, text_kinds(registry), evaluation.classes)
    if finite:
        hold_finite(samples, pairs[0], evaluation.outputs)
    shown = " and ".join(f"`{name}`" for name in evaluation.outputs)
    scores = score_all(evaluation.metrics, pairs, f"output {shown} of task `{task}`", undefined=True, **drawn)
    if finite and scores and all(score.undefined for score in scores):
        raise InputError(scores[0].undefined)
    for score in scores:
        if finite and not score.undefined and not math.isfinite(score.value):
            raise InputError(f"metric `{score.metric}` gives {score.value}, and a finite number is expected")
    return scores


def text_kinds(registry: Registry) -> list[str]:
    """The kinds whose values no array holds, such as texts."""
    return [name for name, kind in registry.kinds.items() if kind.has_objects]
