"""An evaluation as people read it: a table of scores with intervals, what failed, and the worst samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from composer.evaluation.evaluation_report import EvaluationReport
from composer.evaluation.scored_samples import ScoredSample
from composer.evaluation.scoring import Score

__all__ = ["failed_lines", "score_rows", "summary_line", "undefined_lines", "worst_lines"]

LONGEST = 60
"""Characters of a prediction or a reference that are shown."""
NUMBERS = 4


def summary_line(report: EvaluationReport, subject: str) -> str:
    """``quickstart:image-qa on test.jsonl: 98 samples scored, 2 failed``."""
    count, failed = len(report.samples), len(report.failed)
    noun = "sample" if count == 1 else "samples"
    tail = f", {failed:,} failed" if failed else ""
    before = f" ({report.before:,} rows were answered before)" if report.before else ""
    return f"{subject} on {report.data['name']}: {count:,} {noun} scored{tail}{before}"


def score_rows(report: EvaluationReport) -> list[tuple[str, ...]]:
    """The rows of the table, with its head."""
    rows: list[tuple[str, ...]] = [
        ("score", "value", f"{100 * report.confidence:.3g} % interval", "by", "metric")
    ]
    for score in report.scores:
        has = score.low is not None and score.high is not None
        interval = f"{score.low:.4f} to {score.high:.4f}" if has else "none"
        value = "none" if score.undefined else f"{score.value:.4f}"
        rows.append((score.name, value, interval, score.method, _metric(report, score)))
    return rows


def undefined_lines(report: EvaluationReport) -> list[str]:
    """Why metrics have no score for these samples."""
    return [f"{score.name}: {score.undefined}" for score in report.scores if score.undefined]


def _metric(report: EvaluationReport, score: Score) -> str:
    each = report.evaluation.metrics.get(score.name)
    if each is None:  # the same metric after a closer look
        return score.metric
    given = each.config.model_dump(mode="json", fallback=str, exclude_unset=True)
    config = ", ".join(f"{key}: {value}" for key, value in given.items())
    lower = "" if each.metric.higher_is_better else ", lower is better"
    return f"{each.metric.id}{f' ({config})' if config else ''}{lower}"


def failed_lines(report: EvaluationReport, count: int) -> list[str]:
    """The first samples that failed, each with its reason."""
    shown = [f"  {each.title}: {each.error}" for each in report.failed[:count]]
    more = len(report.failed) - len(shown)
    return ["failed:", *shown, *([f"  and {more:,} more"] if more else [])] if shown else []


def worst_lines(report: EvaluationReport, count: int) -> list[str]:
    """The worst samples, each with what was predicted and what was expected."""
    by, worst = report.ranked_by, report.worst(count)
    if by is None or not worst:
        return []
    classes = report.evaluation.classes
    return [f"worst by {by.name}:", *(f"  {_sample(each, each.scores[by.name], classes)}" for each in worst)]


def _sample(sample: ScoredSample, score: float, classes: Sequence[str]) -> str:
    expected = "" if sample.reference is None else f", expected {_shown(sample.reference)}"
    return f"{sample.title}: {score:.4g}, predicted {_predicted(sample.prediction, classes)}{expected}"


def _predicted(value: Any, classes: Sequence[str]) -> str:
    """A prediction; of one score for each class that has a name, the name of the best."""
    scores = (
        isinstance(value, list) and len(value) == len(classes) and all(isinstance(n, float) for n in value)
    )
    return repr(classes[value.index(max(value))]) if scores and value else _shown(value)


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        items = [_shown(each) for each in value[:NUMBERS]]
        more = [f"{len(value) - NUMBERS} more"] if len(value) > NUMBERS else []
        return f"[{', '.join((*items, *more))}]"
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
