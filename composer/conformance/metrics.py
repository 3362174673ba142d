"""The promise of a metric: a finite number of predictions and references, which it leaves as they are."""

from __future__ import annotations

import math

from composer.conformance.report import Failure, Skip
from composer.conformance.sameness import kept, same
from composer.plugin.asking import ask, import_object
from composer.plugin.declarations import Metric
from composer.plugin.implementations import as_score

__all__ = ["check_metric"]


def check_metric(metric: Metric) -> str:
    """Score its own predictions and references twice."""
    if metric.sample is None:
        raise Skip("it names no predictions and references (`sample`), so it was not run")
    function = import_object(metric.implementation, metric.title)
    sample = _sample(metric)
    scores = []
    for _ in range(2):
        given = kept(sample)
        scores.append(ask(function, *given, what=metric.title, accept=as_score))
        for name, before, after in zip(("predictions", "references"), sample, given, strict=True):
            if not same(before, after):
                raise Failure(f"it changes the {name} that it is given; another metric may score them next")
    if not all(map(math.isfinite, scores)):
        raise Failure(f"it gives {scores[0]} for its `sample`; a finite number is expected")
    if scores[0] != scores[1]:
        raise Failure(f"it gives {scores[0]} and then {scores[1]} for the same predictions and references")
    return ""


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
