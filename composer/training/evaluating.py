"""Scores of a trained document on a split: its outputs against the references of a dataset."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from composer.evaluation.answered_samples import answered_samples
from composer.evaluation.dataset_rows import DatasetRows
from composer.evaluation.sample_scores import scores_of_samples
from composer.evaluation.scored_samples import ScoredSample
from composer.evaluation.scoring import Score
from composer.execution import Answering, Model
from composer.graph import CheckedEvaluation
from composer.recipes import TaskRecipe
from composer.rows.answering_rows import BATCH_SIZE
from composer.training.processes import ONE, Processes

__all__ = ["answer_fields", "evaluate", "scores_of"]

LARGEST_BATCH = 128


def evaluate(
    model: Model,
    task: str,
    samples: Sequence[Mapping[str, Any]],
    recipe: TaskRecipe,
    evaluation: CheckedEvaluation,
    *,
    title: Callable[[int], str] = "sample {}".format,
    interval: bool = True,
    processes: Processes = ONE,
) -> list[Score]:
    """Run a task on samples and score its output, as `composer evaluate` does; a score may be NaN. Each of several
    processes answers its share, and all have the scores.

    `title` is what messages call the sample of a number.

    Raises InputError for a sample that cannot be run; PluginError for a metric that fails.
    """
    first, last = (len(samples) * rank // processes.count for rank in (processes.rank, processes.rank + 1))
    size = min(max(recipe.batch, BATCH_SIZE), LARGEST_BATCH)

    def answered() -> list[ScoredSample]:
        rows = DatasetRows(task, "", samples, range(first, last))
        columns = answer_fields(model, task, recipe)
        return answered_samples(model, task, rows, evaluation, columns=columns, batch_size=size, title=title)

    every = processes.collected(answered)
    kinds, registry = model.ports(task).outputs, model.report.registry

    def scored() -> list[Score]:
        return scores_of_samples(evaluation, every, kinds, registry, task, finite=False, interval=interval)

    return processes.of_first(scored)


def scores_of(found: Sequence[Score], samples: int) -> dict[str, Any]:
    """What a record says: every score by its name, and the number of `samples`."""
    return {**{score.name: round(score.value, 4) for score in found}, "samples": samples}


def answer_fields(model: Answering, task: str, recipe: TaskRecipe) -> dict[str, str]:
    """The inputs that answering takes, with the field of a sample that each reads."""
    return {name: recipe.fields.get(name, name) for name in model.ports(task).inputs}
