"""One score of a registered metric, without an interval."""

from __future__ import annotations

from typing import Any

from composer.evaluation import Score, score_all
from composer.graph import CheckedMetric
from composer.plugin import Registry

__all__ = ["scored"]


def scored(registry: Registry, id_: str, predictions: Any, references: Any, **config: Any) -> Score:
    """The score of predictions beside references, by a metric with this config."""
    metric = registry.metrics[id_]
    bound = CheckedMetric("it", metric, metric.config.model_validate(config))
    return score_all([bound], (list(predictions), list(references)), "output `y`", interval=False)[0]
