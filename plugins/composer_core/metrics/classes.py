"""Metrics over classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from composer.problems import InputError
from composer_core.metric_types import F1Config, TopKAccuracyConfig, hold_best
from composer_core.metrics.given import class_scores, labels, ranked, reference_class
from composer_core.metrics.libraries import scikit_learn

__all__ = ["accuracy", "class_pairs", "f1", "matthews", "sample", "top_k_accuracy"]


def sample() -> tuple[list[Any], list[Any]]:
    """The scores of two classes for four samples, of which three are right."""
    scores = [[0.9, 0.1], [0.2, 0.8], [0.4, 0.6], [0.3, 0.7]]
    return [np.array(row) for row in scores], [0, 1, 0, 1]


def accuracy(predictions: Sequence[Any], references: Sequence[Any]) -> list[float]:
    """1 for each sample whose best class is the right one, 0 for the others."""
    found, right = labels(predictions, references)
    return [float(one == other) for one, other in zip(found, right, strict=True)]


def top_k_accuracy(
    predictions: Sequence[Any], references: Sequence[Any], config: TopKAccuracyConfig
) -> list[float]:
    """1 for each sample whose right class is among the best `k`: of equals, the first."""
    return [_among_best(p, r, config.k) for p, r in zip(predictions, references, strict=True)]


def _among_best(prediction: Any, reference: Any, k: int) -> float:
    scores = class_scores(prediction)
    if scores is None:
        best = ranked(prediction)
        wanted = reference_class(reference)
        if len(best) < k:
            raise InputError(
                f"the best {k} classes are wanted, and the output has the best {len(best)} alone"
            )
        return float(any(str(each) == str(wanted) for each in best[:k]))
    hold_best(k, len(scores))
    (_,), (right,) = labels([prediction], [reference])
    assert isinstance(right, int)
    if not 0 <= right < len(scores):
        raise InputError(f"the reference {right} is not one of the {len(scores)} classes")
    own = scores[right]
    return float((scores > own).sum() + (scores[:right] == own).sum() < k)


def class_pairs(
    predictions: Sequence[Any], references: Sequence[Any], config: F1Config | None = None
) -> list[tuple[int, int]]:
    """Of each sample the predicted and the right class, numbered; for `binary`, whether each is the positive one."""
    found, right = labels(predictions, references)
    if config is not None and config.average == "binary":
        positive = str(config.positive) if isinstance(right[0], str) else config.positive
        return [
            (int(one == positive), int(other == positive)) for one, other in zip(found, right, strict=True)
        ]
    number = {label: index for index, label in enumerate(sorted({*found, *right}, key=str))}
    return [(number[one], number[other]) for one, other in zip(found, right, strict=True)]


def f1(pairs: Any, config: F1Config) -> float:
    """F1 by scikit-learn: harmonic mean of precision and recall. A class that nobody predicted has 0."""
    found, right, counts = _counted(pairs)
    score = scikit_learn("core.f1").f1_score
    return float(score(right, found, average=config.average, sample_weight=counts, zero_division=0.0))


def matthews(pairs: Any) -> float:
    """Matthews' correlation by scikit-learn; 0 where all samples have one class."""
    found, right, counts = _counted(pairs)
    if len({*found.tolist(), *right.tolist()}) == 1:
        return 0.0
    return float(scikit_learn("core.matthews").matthews_corrcoef(right, found, sample_weight=counts))


def _counted(pairs: Any) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """The pairs that occur, and how often each does: a table of classes, whatever the number of samples."""
    whole = np.asarray(pairs).astype(np.int64)
    size = int(whole.max()) + 1
    counts = np.bincount(whole[:, 0] * size + whole[:, 1], minlength=size)
    cells = np.flatnonzero(counts)
    return cells // size, cells % size, counts[cells]
