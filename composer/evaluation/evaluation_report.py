"""The report of an evaluation: what was scored on what, every score with its interval, and the worst samples."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from composer.evaluation.scored_samples import ScoredSample, read_samples
from composer.evaluation.scoring import Score
from composer.files import replace_file, sha256_of
from composer.graph import CheckedEvaluation
from composer.problems import InputError
from composer.problems.render.machine import json_text

__all__ = ["ANSWERS", "PREDICTIONS", "REPORT", "EvaluationReport", "StoredEvaluation", "stored_evaluation"]

ANSWERS, PREDICTIONS, REPORT = "answers.jsonl", "predictions.jsonl", "report.json"
"""The files of an evaluation, in the folder of `--out`."""
FORMAT = 1


@dataclass(frozen=True)
class EvaluationReport:
    """How an evaluation ended."""

    task: str
    evaluation: CheckedEvaluation
    scores: Sequence[Score]
    samples: Sequence[ScoredSample] = field(repr=False)
    failed: Sequence[ScoredSample]
    data: Mapping[str, object]
    """What the samples are: name, number of rows, and a digest of their names and references."""
    asked: Mapping[str, object]
    """What was asked of the task, as the answers keep it."""
    seconds: float
    before: int
    """Rows that a run before had answered."""
    confidence: float
    seed: int
    out: Path | None = None
    """The folder with the files; None where nothing was kept."""

    @property
    def ranked_by(self) -> Score | None:
        """The first score that has a number for each sample."""
        return next((score for score in self.scores if score.samples), None)

    def worst(self, count: int) -> list[ScoredSample]:
        """The samples with the worst numbers, those that are as good as any left out."""
        by = self.ranked_by
        if by is None:
            return []
        sign = 1 if by.higher_is_better else -1
        best = max(sign * value for value in by.samples)
        found = [s for s in self.samples if sign * s.scores[by.name] < best]
        return sorted(found, key=lambda each: (sign * each.scores[by.name], each.row))[:count]

    def as_json(self, worst: int) -> dict[str, Any]:
        metrics = {
            name: {"uses": each.metric.id, "with": each.config.model_dump(mode="json", fallback=str)}
            for name, each in self.evaluation.metrics.items()
        }
        return {
            "format": FORMAT,
            "task": self.task,
            "evaluation": {
                "output": list(self.evaluation.outputs),
                "reference": self.evaluation.reference,
                "metrics": metrics,
                "classes": list(self.evaluation.classes),
            },
            "data": dict(self.data),
            "samples": len(self.samples),
            "failed": len(self.failed),
            "scores": {score.name: _told(score) for score in self.scores},
            "confidence": self.confidence,
            "seed": self.seed,
            "worst": [each.as_json() for each in self.worst(worst)],
            "seconds": round(self.seconds, 3),
            "asked": dict(self.asked),
        }

    def write(self, folder: Path, worst: int, predictions: str, kinds: Mapping[str, str]) -> None:
        """Write the report beside its predictions, whose digest it holds."""
        told = self.as_json(worst)
        told["evaluation"]["kinds"] = {name: kinds[name] for name in self.evaluation.outputs}
        told["predictions"] = {"file": PREDICTIONS, "sha256": predictions}
        text = json_text(told, indent=2) + "\n"
        replace_file(folder / REPORT, lambda file: file.write(text.encode()))


def _told(score: Score) -> dict[str, object]:
    interval = None if score.low is None else [score.low, score.high]
    return {
        "value": None if score.undefined else score.value,
        **({"undefined": score.undefined} if score.undefined else {}),
        "interval": interval,
        "method": score.method or None,
        "metric": score.metric,
        "higher_is_better": score.higher_is_better,
    }


@dataclass(frozen=True)
class StoredEvaluation:
    """An evaluation that was written, read again to be compared with another."""

    name: str
    told: Mapping[str, Any]
    samples: Sequence[ScoredSample] = field(repr=False)

    @property
    def metrics(self) -> Mapping[str, Mapping[str, Any]]:
        """Score to its metric and config."""
        found: Mapping[str, Mapping[str, Any]] = self.told["evaluation"]["metrics"]
        return found


def stored_evaluation(path: str | Path) -> StoredEvaluation:
    """Read an evaluation by its folder, its report or its predictions.

    Raises InputError for what is none, is not finished, or has changed since it was written.
    """
    given = Path(path)
    folder = given if given.is_dir() else given.parent
    report, predictions = folder / REPORT, folder / PREDICTIONS
    if not given.exists():
        raise InputError(f"{given} does not exist: name the folder of an evaluation (--out), or its {REPORT}")
    if not report.is_file():
        begun = (folder / ANSWERS).is_file()
        why = (
            "the evaluation there is not finished: run it again, it goes on"
            if begun
            else "no evaluation lies there"
        )
        raise InputError(f"{given}: there is no {REPORT}; {why}")
    try:
        told = json.loads(report.read_bytes())
        if told["format"] != FORMAT:
            raise ValueError("another format")
        digest = told["predictions"]["sha256"]
        assert isinstance(told["evaluation"]["metrics"], dict)
        assert isinstance(told["data"]["samples"], str)
    except (OSError, ValueError, KeyError, TypeError, AssertionError, RecursionError):
        raise InputError(f"{report} is not the report of an evaluation, or damaged: evaluate again") from None
    if not predictions.is_file() or sha256_of(predictions) != digest:
        raise InputError(
            f"{predictions} is not what {REPORT} was made of (changed, cut short or missing): evaluate again with "
            "--overwrite"
        )
    return StoredEvaluation(str(path), told, read_samples(predictions))
