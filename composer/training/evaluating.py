"""Scores of a trained document on a split: its outputs against the references of a dataset."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from composer.execution import Answering, Model
from composer.plugin import Metric, MetricImplementation, Registry
from composer.plugin.asking import ask, import_object
from composer.plugin.implementations import as_score
from composer.problems import ComposerError, InputError
from composer.problems.suggest import unknown
from composer.recipes import TaskRecipe
from composer.training.encoding import encode
from composer.training.numerics import near

__all__ = ["answer_fields", "evaluate"]

BATCH = 128


def evaluate(
    model: Answering,
    task: str,
    samples: Sequence[Mapping[str, Any]],
    recipe: TaskRecipe,
    registry: Registry,
    *,
    title: Callable[[int], str] = "sample {}".format,
) -> dict[str, Any]:
    """Run a task of a model or an artifact on samples and score its output.

    Scored are the metrics of the recipe, and the number of `samples`.

    `title` is what messages call the sample of a number.

    Raises InputError for a metric that no plugin registers, for a task without the output that is scored, and for a
    sample that cannot be run; PluginError for a metric that fails.
    """
    fields = answer_fields(model, task, recipe)
    metrics = {name: _metric(registry, id_) for name, id_ in recipe.metrics.items()}
    predictions: list[object] = []
    for start in range(0, len(samples), BATCH):
        part = [samples[index] for index in range(start, min(start + BATCH, len(samples)))]
        outputs = _answers(model, task, part, fields, lambda i, start=start: title(start + i))  # type: ignore[misc]
        if recipe.output not in outputs:
            raise InputError(
                f"task `{task}` has no output `{recipe.output}` to score (outputs: {', '.join(outputs)})"
            )
        rows = _rows(near(outputs[recipe.output]))  # metrics take numbers of the processor, as everybody's do
        if len(rows) != len(part):
            raise InputError(
                f"output `{recipe.output}` of task `{task}` has {len(rows)} rows for {len(part)} samples: only an "
                "output with one row per sample can be scored"
            )
        predictions += rows
    references = [samples[index][recipe.reference] for index in range(len(samples))]
    scores = {
        name: round(_score(entry, predictions, references, task, recipe.output), 4)
        for name, entry in metrics.items()
    }
    return {**scores, "samples": len(samples)}


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


def _rows(value: Any) -> list[object]:
    """One value per sample: texts of a list, rows of a tensor, records of a record's rows."""
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        columns = [None if field is None else _rows(field) for field in value]
        count = next(len(column) for column in columns if column is not None)
        record: Callable[..., object] = type(value)
        return [record(*[None if c is None else c[i] for c in columns]) for i in range(count)]
    return list(value) if getattr(value, "ndim", 1) else []


def _score(
    entry: Metric, predictions: list[object], references: list[object], task: str, output: str
) -> float:
    what = f"{entry.title} (output `{output}` of task `{task}`)"
    function: MetricImplementation = import_object(entry.implementation, what)
    # Each metric has lists of its own: one that sorts or empties them spoils no other's.
    return ask(function, list(predictions), list(references), what=what, accept=as_score)


def _metric(registry: Registry, id_: str) -> Metric:
    if id_ not in registry.metrics:
        raise unknown("metric", id_, registry.metrics)
    return registry.metrics[id_]
