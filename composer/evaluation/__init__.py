"""Evaluation: outputs of a task against references, with intervals, the worst samples and comparisons of two runs."""

from composer.evaluation.scoring import BoundMetric, Score, score_all

__all__ = ["BoundMetric", "Score", "score_all"]
