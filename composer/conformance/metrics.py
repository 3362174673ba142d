"""The promise of a metric: a finite number of predictions and references, which it leaves as they are."""

from __future__ import annotations

import math
from importlib.metadata import PackageNotFoundError, distribution

from composer.conformance.examples import example_configs
from composer.conformance.report import Failure, Skip
from composer.conformance.sameness import kept, same
from composer.evaluation.scoring import BoundMetric
from composer.graph import CheckedMetric
from composer.plugin.asking import ask, import_object
from composer.plugin.declarations import Metric

__all__ = ["check_metric"]


def check_metric(metric: Metric) -> str:
    """Score its own predictions and references twice, with each of its example configs."""
    if metric.sample is None:
        raise Skip("it names no predictions and references (`sample`), so it was not run")
    for package in metric.packages:
        try:
            distribution(package)
        except PackageNotFoundError:
            raise Skip(f"it computes with `{package}` (its `packages`), which is not installed") from None
    sample = _sample(metric)
    for config in example_configs(metric):
        bound = BoundMetric(CheckedMetric(metric.id, metric, config), metric.title, copies=False)
        scores = []
        for _ in range(2):
            given = kept(sample)
            scores.append(_scored(bound, given))
            for name, before, after in zip(("predictions", "references"), sample, given, strict=True):
                if not same(before, after):
                    raise Failure(
                        f"it changes the {name} that it is given; another metric may score them next"
                    )
        if not all(map(math.isfinite, scores)):
            raise Failure(f"it gives {scores[0]} for its `sample`; a finite number is expected")
        if scores[0] != scores[1]:
            raise Failure(
                f"it gives {scores[0]} and then {scores[1]} for the same predictions and references"
            )
        _hold_order(bound, sample)
    return ""


def _scored(bound: BoundMetric, given: tuple[list[object], list[object]]) -> float:
    values = bound.of_samples(given)
    return bound.of_all(given) if values is None else bound.combined(values)


def _hold_order(bound: BoundMetric, sample: tuple[list[object], list[object]]) -> None:
    """A score does not depend on the order of the samples, or on how often all of them stand there."""
    backwards = (sample[0][::-1], sample[1][::-1])
    score, other = _scored(bound, kept(sample)), _scored(bound, kept(backwards))
    if not math.isclose(score, other, rel_tol=1e-6, abs_tol=1e-9):
        raise Failure(f"it gives {score}, and {other} for the same samples in another order")


def _sample(metric: Metric) -> tuple[list[object], list[object]]:
    assert metric.sample is not None
    found = ask(import_object(metric.sample, "its `sample`"), what="its `sample`")
    lists = isinstance(found, tuple) and len(found) == 2 and all(isinstance(each, list) for each in found)
    if not lists or len(found[0]) != len(found[1]) or len(found[0]) < 2:
        raise Failure(
            "its `sample` does not give two lists of one length, predictions and references of two samples or more"
        )
    predictions, references = found
    return predictions, references
