"""Scores on the way: when they are due, which were the best, and when a run has waited long enough for better ones."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from composer.graph import CheckedEvaluation
from composer.recipes import Every, Recipe, ValidationRecipe

__all__ = ["Scores", "Validation", "best_score_of"]

Scores = Mapping[str, Mapping[str, Any]]
"""Task to its scores by name."""


@dataclass
class Validation:
    """How a run is validated. An entry of `entries` is `{"step", "epoch", "scores", "best"}`."""

    recipe: ValidationRecipe
    best: tuple[str, str, bool] | None
    """Task and name of the score that decides, and whether more of it is better."""
    score: Callable[[], Scores]
    """The scores of the weights as they are; all processes ask for them together, and have the same."""
    keep: Callable[[], None]
    """Store the weights as they are: they are the best so far."""
    told: Callable[[dict[str, Any]], None] = lambda entry: None
    entries: list[dict[str, Any]] = field(default_factory=list)
    """Those of the whole run."""

    def is_due(self, step: int, epochs: int, *, between_epochs: bool) -> bool:
        """Whether scores are due after a step, when so many epochs are done."""
        every = Every.of(self.recipe.every)
        if every.unit == "steps":
            return step > 0 and step % every.count == 0
        return between_epochs and epochs > 0 and epochs % every.count == 0

    def run(self, step: int, epoch: int, *, writes: bool = True) -> None:
        """Score, and append an entry; a process that `writes` keeps the best weights so far and tells of it."""
        scores = {task: dict(found) for task, found in self.score().items()}
        before = self.best_value
        value = self._value(scores)
        is_best = (
            self.best is not None and not math.isnan(value) and (before is None or self._beats(value, before))
        )
        entry = {"step": step, "epoch": epoch, "scores": scores, "best": is_best}
        if is_best and writes:
            self.keep()
        self.entries.append(entry)
        if writes:
            self.told(entry)

    @property
    def is_over(self) -> bool:
        """Whether so many validations went by without a better one that the run ends."""
        patience = self.recipe.patience
        if patience is None or self.best is None:
            return False
        since = 0
        for entry in self.entries:
            since = 0 if entry["best"] else since + 1
        return since >= patience

    @property
    def best_value(self) -> float | None:
        """The score of the best weights so far."""
        best = self.best_entry
        return None if best is None else self._value(best["scores"])

    @property
    def best_entry(self) -> dict[str, Any] | None:
        """The validation of the best weights so far."""
        return next((entry for entry in reversed(self.entries) if entry["best"]), None)

    def _beats(self, value: float, before: float) -> bool:
        return value > before if self.best is not None and self.best[2] else value < before

    def _value(self, scores: Scores) -> float:
        if self.best is None:
            return math.nan
        task, name, _ = self.best
        found = scores.get(task, {}).get(name)
        return math.nan if found is None else float(found)


def best_score_of(
    recipe: Recipe, evaluations: Mapping[str, CheckedEvaluation]
) -> tuple[str, str, bool] | None:
    """Task and name of the score that decides what is the best, and whether more of it is better: the score that is
    named, or the only one there is.
    """
    validation = recipe.validation
    if validation is None:
        return None
    every = {
        (task, name): metric.metric.higher_is_better
        for task, evaluation in evaluations.items()
        for name, metric in evaluation.metrics.items()
    }
    task, _, name = (validation.best or "").partition(".")
    if task not in recipe.tasks:  # it is not named, or its task is not trained this time
        return (
            next(((task, name, higher) for (task, name), higher in every.items()), None)
            if len(every) == 1
            else None
        )
    return task, name, every.get((task, name), False)
