"""Scores of a trained document on a split: its outputs against the references of a dataset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from composer.plugin import Registry
from composer.problems import InputError
from composer.runtime import Model
from composer.runtime.importing import import_object
from composer.training.data import Samples
from composer.training.recipe import TaskRecipe

__all__ = ["build_dataset", "evaluate"]

BATCH = 128


def evaluate(
    model: Model, task: str, samples: Sequence[Mapping[str, Any]], recipe: TaskRecipe, registry: Registry
) -> dict[str, Any]:
    """Run a task on samples and score its output: each metric of the recipe, and the number of `samples`.

    Raises InputError for a metric that no plugin registers, and for a task without the output that is scored.
    """
    inputs = model.report.tasks[task].inputs
    fields = {name: recipe.fields.get(name, name) for name, item in inputs.items() if not item.training}
    metrics = {name: _metric(registry, id_) for name, id_ in recipe.metrics.items()}
    predictions: list[Any] = []
    for start in range(0, len(samples), BATCH):
        part = samples[start : start + BATCH]
        outputs = model.run(
            task, **{name: [sample[field] for sample in part] for name, field in fields.items()}
        )
        if recipe.output not in outputs:
            raise InputError(
                f"task `{task}` has no output `{recipe.output}` to score (outputs: {', '.join(outputs)})"
            )
        predictions += outputs[recipe.output]
    references = [sample[recipe.reference] for sample in samples]
    scores = {name: round(metric(predictions, references), 4) for name, metric in metrics.items()}
    return {**scores, "samples": len(samples)}


def _metric(registry: Registry, id_: str) -> Any:
    if id_ not in registry.metrics:
        raise InputError(f"there is no metric `{id_}` (metrics: {', '.join(registry.metrics) or 'none'})")
    return import_object(registry.metrics[id_].implementation, f"metric {id_}")


def build_dataset(registry: Registry, recipe: TaskRecipe) -> Samples:
    """Build the dataset that a task's recipe names.

    Raises InputError for an unknown one, or a config that does not fit it.
    """
    entry = registry.datasets.get(recipe.dataset)
    if entry is None:
        known = ", ".join(registry.datasets) or "none"
        raise InputError(f"there is no dataset `{recipe.dataset}` (datasets: {known})")
    try:
        config = entry.config.model_validate(recipe.with_)
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise InputError(f"the config of dataset `{recipe.dataset}` does not fit: {faults}") from None
    dataset: Samples = import_object(entry.builder, f"dataset {entry.id}")(config)
    return dataset
