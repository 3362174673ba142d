"""Scores of a trained document on a split: its outputs against the references of a dataset."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from composer.evaluation.predicting import as_references, predictions_of
from composer.evaluation.scoring import Score, score_all
from composer.execution import Answering, Model
from composer.graph import CheckedEvaluation
from composer.problems import ComposerError, InputError
from composer.recipes import TaskRecipe
from composer.training.encoding import encode

__all__ = ["answer_fields", "evaluate", "scores_of"]

BATCH = 128


def evaluate(
    model: Answering,
    task: str,
    samples: Sequence[Mapping[str, Any]],
    recipe: TaskRecipe,
    evaluation: CheckedEvaluation,
    *,
    title: Callable[[int], str] = "sample {}".format,
    interval: bool = True,
) -> list[Score]:
    """Run a task of a model or an artifact on samples and score its output.

    `title` is what messages call the sample of a number.

    Raises InputError for a task without the output that is scored, and for a sample that cannot be run; PluginError for
    a metric that fails.
    """
    fields = answer_fields(model, task, recipe)
    predictions: list[object] = []
    for start in range(0, len(samples), BATCH):
        part = [samples[index] for index in range(start, min(start + BATCH, len(samples)))]
        outputs = _answers(model, task, part, fields, lambda i, start=start: title(start + i))  # type: ignore[misc]
        predictions += predictions_of(outputs, evaluation.outputs, len(part), task)
    field = evaluation.reference
    classes = _classes(model, task, evaluation, recipe)
    references = [
        None if field is None else _class_of(samples[index][field], classes) for index in range(len(samples))
    ]
    shown = " and ".join(f"`{name}`" for name in evaluation.outputs)
    where = f"output {shown} of task `{task}`"
    pairs = predictions, as_references(references, predictions, evaluation.classes)
    return score_all(evaluation.metrics, pairs, where, interval=interval)


def _classes(model: Answering, task: str, evaluation: CheckedEvaluation, recipe: TaskRecipe) -> Sequence[str]:
    """The names of the classes, where the reference is an input of named classes and the output says their numbers."""
    if not isinstance(model, Model) or evaluation.reference is None:
        return ()
    kinds = {model.ports(task).outputs.get(name) for name in evaluation.outputs}
    inputs = model.report.tasks[task].inputs
    named = [name for name in inputs if recipe.fields.get(name, name) == evaluation.reference]
    item = inputs[named[0]] if named else None
    if item is None or item.modality.classes is None or kinds & {"text", "ranking"}:
        return ()
    found: Sequence[str] = item.modality.classes(item.config)
    return found


def _class_of(value: object, classes: Sequence[str]) -> object:
    """The number of a class that is given by its name."""
    return classes.index(str(value)) if classes and str(value) in classes else value


def scores_of(found: Sequence[Score], samples: int) -> dict[str, Any]:
    """What a record says: every score by its name, and the number of `samples`."""
    return {**{score.name: round(score.value, 4) for score in found}, "samples": samples}


def answer_fields(model: Answering, task: str, recipe: TaskRecipe) -> dict[str, str]:
    """The inputs that answering takes, with the field of a sample that each reads."""
    return {name: recipe.fields.get(name, name) for name in model.ports(task).inputs}


def _answers(
    model: Answering,
    task: str,
    part: Sequence[Mapping[str, object]],
    fields: Mapping[str, str],
    title: Callable[[int], str],
) -> dict[str, object]:
    def run(chosen: Sequence[Mapping[str, object]]) -> dict[str, Any]:
        return model.run(
            task, **{name: [sample[field] for sample in chosen] for name, field in fields.items()}
        )

    try:
        return run(part)
    except ComposerError as error:
        for index, sample in enumerate(part):
            try:
                run([sample])
            except ComposerError as alone:
                raise InputError(f"{title(index)}: {alone}") from error
        if isinstance(model, Model):  # each alone is fine, so one does not go with the others
            inputs = model.runner(task).inputs.host

            def others(other: str) -> list[object]:
                return [sample[fields[other]] for sample in part]

            for name, field in fields.items():
                encode(inputs, name, [sample[field] for sample in part], title, others)
        raise
