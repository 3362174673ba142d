"""Scores of weights that a run has stored: each of several processes answers its share of the samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from composer.evaluation.scoring import Score
from composer.execution import load
from composer.files import sha256_of
from composer.training.display import Display
from composer.training.evaluating import evaluate, scores_of
from composer.training.preparing import Prepared
from composer.training.processes import ONE, Processes
from composer.training.rehearsal import scored_fields

__all__ = ["Scored", "evaluate_document"]


@dataclass(frozen=True)
class Scored:
    """Scores by split and task, and with them the ends of their intervals."""

    scores: dict[str, dict[str, Any]] = field(default_factory=dict)
    intervals: dict[str, dict[str, dict[str, list[float]]]] = field(default_factory=dict)

    def add(self, split: str, task: str, found: Sequence[Score], samples: int) -> dict[str, Any]:
        shown = self.scores.setdefault(split, {})[task] = scores_of(found, samples)
        ends = {
            score.name: [round(score.low, 4), round(score.high, 4)]
            for score in found
            if score.low is not None and score.high is not None
        }
        if ends:
            self.intervals.setdefault(split, {})[task] = ends
        return shown


def evaluate_document(
    prepared: Prepared, weights: Path, display: Display | None = None, *, processes: Processes = ONE
) -> Scored:
    """Scores of stored weights by split and task; a split that a dataset does not have is left out.

    All of several processes ask for them together and have the same. Where the file does not lie before each of them,
    as on machines without a common folder, the first answers alone.
    """
    if _lies_before_all(weights, processes):
        return _scores(prepared, weights, display, processes)
    return processes.of_first(lambda: _scores(prepared, weights, display, ONE))


def _lies_before_all(weights: Path, processes: Processes) -> bool:
    """Whether every process can read it, and it is the same file: another machine may hold that of a run before."""
    if processes.count == 1:
        return True
    own = sha256_of(weights) if weights.is_file() else ""
    return processes.same(own) and own != ""


def _scores(prepared: Prepared, weights: Path, display: Display | None, processes: Processes) -> Scored:
    recipe, registry = prepared.recipe, prepared.registry
    model = load(
        prepared.report,
        weights=weights,
        tasks=list(recipe.tasks),
        registry=registry,
        device=prepared.programs.numerics.device,
    )
    found = Scored()
    for task, entry in recipe.tasks.items():
        evaluation = prepared.evaluations.get(task)
        if evaluation is None or not evaluation.metrics:  # answering may take longer than training
            continue
        for split in prepared.splits[task]:
            fields = scored_fields(model, task, entry, evaluation)
            drawn = prepared.data[task].source.draw(split, fields=fields)
            scores = evaluate(model, task, drawn, entry, evaluation, title=drawn.title, processes=processes)
            told = found.add(split, task, scores, len(drawn))
            if display is not None:
                shown = ", ".join(f"{name} {value}" for name, value in told.items())
                display.line(f"{split:<10} {task}: {shown}")
    return found
