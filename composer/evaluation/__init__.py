"""Evaluation: outputs of a task against references, with intervals, the worst samples and comparisons of two runs."""

from composer.evaluation.comparing_runs import Compared, compare_evaluations
from composer.evaluation.evaluation_report import EvaluationReport, StoredEvaluation, stored_evaluation
from composer.evaluation.evaluation_run import Evaluating, evaluate_rows
from composer.evaluation.reranking import Reranking
from composer.evaluation.scoring import BoundMetric, Score, score_all

__all__ = [
    "BoundMetric",
    "Compared",
    "Evaluating",
    "EvaluationReport",
    "Reranking",
    "Score",
    "StoredEvaluation",
    "compare_evaluations",
    "evaluate_rows",
    "score_all",
    "stored_evaluation",
]
