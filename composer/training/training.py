"""Training a document by its recipe: from names to weights, a record and scores."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from torch import Tensor, nn

from composer.graph import Report, check
from composer.plan import Plan
from composer.plugin import Registry, load_registry
from composer.problems import InputError
from composer.runtime import Program, build_for_training, load
from composer.training.data import SampleData
from composer.training.display import Display
from composer.training.evaluating import build_dataset, evaluate
from composer.training.loop import train_epochs
from composer.training.protocol import Batch
from composer.training.recipe import Recipe, read_recipe
from composer.training.record import count_parameters, versions, write_record, write_weights
from composer.training.spread import spread_initial_weights

__all__ = ["Programs", "evaluate_document", "find_recipe", "train_document"]

SPLITS = ("validation", "test")


class Programs:
    """The objectives' programs of a document as what the loop trains."""

    def __init__(self, modules: Mapping[str, nn.Module], programs: Mapping[str, Program]) -> None:
        self.modules_by_name = dict(modules)
        self._programs = dict(programs)

    def loss(self, task: str, batch: Batch) -> Tensor:
        return self._programs[task].loss(batch)

    def plan(self, task: str) -> Plan:
        """What the task's objective takes."""
        return self._programs[task].plan


def train_document(
    name: str | Path,
    *,
    out: str | Path,
    recipe: str | Path | None = None,
    tasks: Iterable[str] | None = None,
    epochs: int | None = None,
    seed: int | None = None,
    threads: int | None = None,
    resume: bool = False,
    settings: Mapping[str, Any] | None = None,
    splits: Iterable[str] = SPLITS,
    command: str | None = None,
    registry: Registry | None = None,
) -> dict[str, Any]:
    """Train a document and write `OUT.safetensors`, `OUT.json` (the record, which is returned) and `OUT.checkpoint`.

    Args:
        name: a document's path or shipped name.
        out: path of the weights; `.safetensors` may be left out.
        recipe: path of the recipe; left out, `training/<name>.yaml` beside the document.
        tasks: train these tasks only. epochs, seed, threads: override the recipe.
        resume: go on from `OUT.checkpoint`, as if the run had not stopped.
        settings: parameter overrides of the document.
        splits: splits that are scored at the end.
        command: the command line, kept in the record.

    Raises:
        DocumentError: with every problem of the document. InputError: for a recipe, task or dataset that does not fit.
    """
    weights, record_path, checkpoint = _paths(out)
    registry = registry if registry is not None else load_registry()
    report = check(name, registry=registry, settings=settings)
    report.raise_for_errors()
    assert report.document is not None
    given = {"epochs": epochs, "seed": seed, "threads": threads}
    whole = read_recipe(find_recipe(name, report, registry, recipe))
    changes = {key: value for key, value in given.items() if value is not None}
    chosen = _changed(_narrowed(whole, tasks, report), changes)
    display = Display(chosen.epochs)
    torch.set_num_threads(chosen.threads)
    programs = _initial(report, chosen)
    data = _data(programs, chosen, registry)
    counts = count_parameters(programs.modules_by_name)
    display.line(f"{report.name}: {counts['total']:,} parameters, tasks {', '.join(chosen.tasks)}")
    results = train_epochs(
        programs,
        data,
        chosen,
        checkpoint=checkpoint,
        resume=resume,
        progress=display.step,
        finished=display.epoch,
    )
    digest = write_weights(weights, programs.modules_by_name)
    started = time.monotonic()
    scores = evaluate_document(report, weights, chosen, registry, splits=splits, display=display)
    record = {
        "document": report.name,
        "command": command or f"composer train {name} --out {out}",
        "recipe": chosen.model_dump(by_alias=True),
        "settings": {parameter: report.document.parameters[parameter] for parameter in settings or {}},
        "parameters": counts,
        "weights": {"file": weights.name, "bytes": weights.stat().st_size, "sha256": digest},
        "versions": versions(),
        "cores": os.cpu_count(),
        "seconds": {
            "training": round(sum(item.seconds for item in results), 1),
            "cpu": round(sum(item.cpu for item in results), 1),
            "evaluation": round(time.monotonic() - started, 1),
        },
        "curve": [item.as_dict() for item in results],
        "scores": scores,
    }
    write_record(record_path, record)
    display.line(f"wrote {weights} and {record_path}")
    return record


def _initial(report: Report, recipe: Recipe) -> Programs:
    """The modules that the recipe's tasks use, with initial weights drawn from its seed, and their objectives."""
    torch.manual_seed(recipe.seed)
    modules, built = build_for_training(report)
    programs = {task: built[task] for task in recipe.tasks}
    used = {name for program in programs.values() for name in program.names}
    modules = {name: module for name, module in modules.items() if name in used}
    spread_initial_weights(modules, recipe.spread, recipe.wake)
    return Programs(modules, programs)


def _data(programs: Programs, recipe: Recipe, registry: Registry) -> dict[str, SampleData]:
    return {
        task: SampleData(
            task=task,
            recipe=entry,
            plan=programs.plan(task),
            dataset=build_dataset(registry, entry),
            seed=recipe.seed,
        )
        for task, entry in recipe.tasks.items()
    }


def evaluate_document(
    report: Report,
    weights: Path,
    recipe: Recipe,
    registry: Registry,
    *,
    splits: Iterable[str] = SPLITS,
    display: Display | None = None,
) -> dict[str, dict[str, Any]]:
    """Scores of stored weights by split and task; a split that a dataset does not have is left out."""
    model = load(report, weights=weights, tasks=list(recipe.tasks), registry=registry)
    scores: dict[str, dict[str, Any]] = {}
    for task, entry in recipe.tasks.items():
        dataset = build_dataset(registry, entry)
        for split in (split for split in splits if split in dataset.splits):
            found = evaluate(model, task, dataset.samples(split), entry, registry)
            scores.setdefault(split, {})[task] = found
            if display is not None:
                shown = ", ".join(f"{name} {value}" for name, value in found.items())
                display.line(f"{split:<10} {task}: {shown}")
    return scores


def find_recipe(
    name: str | Path, report: Report, registry: Registry, given: str | Path | None = None
) -> Path:
    """The recipe's path: as given, or `training/<name>.yaml` beside the document; InputError when that is not there."""
    if given is not None:
        return Path(given)
    shipped = registry.documents.get(str(name))
    document = shipped.path if shipped is not None else Path(name)
    path = document.parent / "training" / f"{document.stem}.yaml"
    if not path.is_file():
        raise InputError(f"{report.name} has no training recipe: write {path}, or name one with --recipe")
    return path


def _narrowed(recipe: Recipe, tasks: Iterable[str] | None, report: Report) -> Recipe:
    """The recipe with the wanted tasks alone. Raises InputError for tasks that it or the document cannot train."""
    wanted = list(recipe.tasks) if tasks is None else list(tasks)
    for task in wanted:
        if task not in recipe.tasks:
            raise InputError(f"the recipe has no task `{task}` (tasks: {', '.join(recipe.tasks)})")
        if task not in report.tasks:
            raise InputError(
                f"the recipe trains `{task}`, which {report.name} has not (tasks: {', '.join(report.tasks)})"
            )
        if report.tasks[task].loss is None:
            raise InputError(
                f"task `{task}` of {report.name} has no objective, so it cannot be trained: add one"
            )
    if not wanted:
        raise InputError("no task is left to train: name at least one")
    return recipe.model_copy(update={"tasks": {task: recipe.tasks[task] for task in wanted}})


def _changed(recipe: Recipe, changes: Mapping[str, Any]) -> Recipe:
    """The recipe with other values. Raises InputError for a value that a recipe could not hold either."""
    try:
        return Recipe.model_validate({**recipe.model_dump(by_alias=True), **changes})
    except ValidationError as error:
        faults = "; ".join(
            f"{fault['loc'][0]}: {fault['msg']}, not {fault['input']}" for fault in error.errors()
        )
        raise InputError(faults) from None


def _paths(out: str | Path) -> tuple[Path, Path, Path]:
    """Where weights, record and checkpoint go. Refuses a place that does not do now, not after hours of training."""
    path = Path(out)
    base = path.with_suffix("") if path.suffix == ".safetensors" else path
    if not base.parent.is_dir():
        raise InputError(f"{out} cannot be written: {base.parent} is no folder; make it first")
    if not os.access(base.parent, os.W_OK):
        raise InputError(f"{out} cannot be written: {base.parent} gives no permission (Permission denied)")
    weights, record, checkpoint = (
        base.with_name(base.name + suffix) for suffix in (".safetensors", ".json", ".checkpoint")
    )
    for target in (weights, record, checkpoint):
        if target.is_dir():
            raise InputError(f"{target} cannot be written: it is a folder; name a file")
    return weights, record, checkpoint
