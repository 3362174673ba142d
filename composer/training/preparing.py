"""From names to a run that can begin: document, recipe, modules, data, all of them checked and tried once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError

from composer.data import OwnRows
from composer.data.default_recipe import Defaults
from composer.data.looking_through import looked_through
from composer.execution import INITIAL, Model, Start
from composer.execution.inputs import host_inputs
from composer.execution.program import module_names
from composer.graph import Checked, CheckedEvaluation, CheckedNode, check
from composer.language import TaskShape
from composer.plan import Plan, plan_objective, plan_task
from composer.plugin import Registry, load_registry
from composer.plugin.declarations import config_text
from composer.problems import DocumentError, InputError, Problem
from composer.problems.suggest import unknown
from composer.recipes import DataRecipe, Recipe, RecipeReport
from composer.sources.held_lock import held_lock
from composer.training.chosen_recipe import ChosenRecipe, choose, opened, plain_errors
from composer.training.data import SampleData
from composer.training.numerics import FP32, Numerics
from composer.training.optimizer_groups import names_without_weights
from composer.training.programs import Programs, initial_programs
from composer.training.rehearsal import collecting, never_trained, rehearse, scored_splits
from composer.training.samples import build_source, own_source
from composer.training.validating import best_score_of
from composer.training.what_is_written import TrainedAlone

__all__ = ["SPLITS", "Prepared", "Request", "prepare"]

SPLITS = ("validation", "test")
"""Splits that are scored, of those that a dataset has."""


@dataclass(frozen=True)
class Request:
    """What is to be trained, and how; everything but where the results go."""

    name: str | Path
    recipe: str | Path | None = None
    tasks: tuple[str, ...] | None = None
    changes: Mapping[str, object] | None = None
    """Values in place of the recipe's."""
    settings: Mapping[str, object] | None = None
    splits: tuple[str, ...] = SPLITS
    start: Mapping[str, Any] = field(default_factory=dict)
    """The options of `composer.load` that say which weights the run begins with; without `weights`, initial ones."""
    data: DataRecipe | None = None
    """The user's own rows, in the place of the recipe's data."""
    device: str | torch.device = "cpu"
    precision: str = FP32


@dataclass(frozen=True)
class Prepared:
    """A run that can begin."""

    report: Checked
    recipe: Recipe
    registry: Registry
    programs: Programs
    data: Mapping[str, SampleData]
    splits: Mapping[str, list[str]]
    """Task to the splits that are scored at the end."""
    packages: frozenset[str]
    """Distributions that the samples come from."""
    warnings: tuple[Problem, ...] = ()
    sources: Mapping[str, str] | None = None
    written: TrainedAlone = field(default_factory=TrainedAlone)
    """What is left out of the weights that are written."""
    evaluations: Mapping[str, CheckedEvaluation] = field(default_factory=dict)
    """Task to what is scored of it; a task that is not there is not scored."""
    idle: Mapping[str, list[str]] = field(default_factory=dict)
    """Adapters, and their layers that no objective gives a gradient."""
    defaults: Defaults | None = None
    """What was chosen for a run without a recipe."""

    @property
    def own(self) -> dict[str, OwnRows]:
        """Task to its rows, where they are the user's own."""
        sources = {task: item.source.samples for task, item in self.data.items()}
        return {task: rows for task, rows in sources.items() if isinstance(rows, OwnRows)}

    validating: Mapping[str, SampleData] = field(default_factory=dict)
    """Task to the batches of the split whose loss is a score on the way."""

    @property
    def digest(self) -> str:
        """Tells the trained tasks and their modules from others; titles and the options of compiling do not count."""
        shape = self.report.document.shape
        modules = {
            name: (module.type.id, config_text(module.config))
            for name, module in self.report.modules.items()
            if name in self.programs.modules_by_name
        }
        training = {
            name: (
                module.freeze,
                {key: config_text(each.config) for key, each in module.adapters.items()},
                *((module.average.of, module.average.momentum) if module.average is not None else ()),
            )
            for name, module in self.report.modules.items()
            if name in modules and (module.freeze or module.adapters or module.average)
        }
        tasks = {task: _written(shape.tasks[task]) for task in self.recipe.tasks}
        inside = [
            (task, *_told(node))
            for task in self.recipe.tasks
            for node in self.report.tasks[task].nodes.values()
            if "/" in node.name
        ]
        more = [each for each in (inside, training) if each]
        text = json.dumps([modules, tasks, *more], sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()


def _written(task: TaskShape) -> dict[str, Any]:
    """A task as it was written before there were pieces: what those stand for is told by its nodes."""
    written = task.model_dump(exclude={"summary", "compile", "evaluation"})
    graphs = [written, written["objective"] or {}]
    for node in (node for graph in graphs for node in graph.get("nodes", {}).values()):
        del node["piece"]
        if node["adapter"] is None:
            del node["adapter"]
        for name in ("modality", "for_"):
            if node[name] is None:
                del node[name]
    return written


def _told(node: CheckedNode) -> tuple[object, ...]:
    """What a node inside of a piece is."""
    options = None if node.options is None else config_text(node.options)
    config = config_text(node.module.config)
    callee = (node.callee.key, node.part, node.module.type.id, config, node.method, options)
    return node.name, *callee, sorted(node.sources.items())


def prepare(request: Request, registry: Registry | None = None) -> Prepared:
    """Check and build everything that a run needs, and try it on a few samples. Writes nothing.

    Raises:
        DocumentError: with every problem of the document, or else of the recipe and the data that it names.
        InputError: for a task, a split or a device that is not there, or a precision that it does not train in.
    """
    numerics = Numerics.of(request.device, request.precision)
    registry = registry if registry is not None else load_registry()
    report = check(request.name, registry=registry, settings=request.settings).raise_for_errors()
    with plain_errors(request.data):
        return _prepare(request, registry, report, numerics)


def _prepare(request: Request, registry: Registry, report: Checked, numerics: Numerics) -> Prepared:
    chosen = choose(
        request.name,
        registry,
        report,
        recipe=request.recipe,
        tasks=request.tasks,
        data=request.data,
        changes=request.changes or {},
        start=request.start,
    )
    found = chosen.found
    if found.recipe is not None:
        _hold_tasks(found.recipe, request.tasks)
    found.raise_for_errors()
    assert found.recipe is not None
    tasks = request.tasks if request.data is None else tuple(found.data)
    recipe = _narrowed(_changed(found.recipe, request.changes or {}), tasks)
    torch.set_num_threads(recipe.threads)
    start = _start(request, report, recipe, registry)
    programs = initial_programs(report, recipe, start, numerics, request.settings or ())
    if not any(p.requires_grad for m in programs.modules_by_name.values() for p in m.parameters()):
        frozen = ": all of them are frozen" if programs.parts.frozen else ""
        raise InputError(
            f"{report.name} has no weight that could be trained in the tasks {', '.join(recipe.tasks)}{frozen}"
        )
    assert found.tree is not None
    _hold_names(recipe, programs, report, found)
    data, idle = _data(programs, recipe, chosen, registry, request.splits)
    validating = _validating(programs, recipe, found, registry, data)
    used = {
        package
        for task in recipe.tasks
        if task in found.datasets
        for package in found.datasets[task][0].packages
    }
    return Prepared(
        report,
        recipe,
        registry,
        programs,
        data,
        {task: scored_splits(item.source, request.splits) for task, item in data.items()},
        frozenset(used),
        found.problems,
        found.sources,
        TrainedAlone.of(programs, start),
        {task: found.evaluations[task] for task in recipe.tasks if task in found.evaluations},
        idle,
        chosen.defaults,
        validating,
    )


def _hold_names(recipe: Recipe, programs: Programs, report: Checked, found: RecipeReport) -> None:
    """Raise DocumentError for names of weights that no module has."""
    assert found.tree is not None
    problems = [*names_without_weights(recipe, programs.modules_by_name, report.modules, found.tree)]
    if problems:
        raise DocumentError(problems, found.sources)


def _validating(
    programs: Programs,
    recipe: Recipe,
    found: RecipeReport,
    registry: Registry,
    data: Mapping[str, SampleData],
) -> dict[str, SampleData]:
    """The batches whose loss is a score on the way. Raises InputError for a split that no dataset has, and
    DocumentError for samples that lack a field.
    """
    if recipe.validation is None:
        return {}
    assert found.tree is not None
    split, best = recipe.validation.split, best_score_of(recipe, found.evaluations)
    _hold_splits(data, (split,), usual=())
    made: dict[str, SampleData] = {}
    problems: list[Problem] = []
    for task, item in data.items():
        if split in item.source.splits and (recipe.validation.loss or (best or ())[:2] == (task, "loss")):
            with collecting(problems, found.tree, task):
                made[task] = SampleData(
                    recipe=recipe.tasks[task],
                    plan=programs.plan(task),
                    source=item.source,
                    seed=recipe.seed,
                    registry=registry,
                    split=split,
                )
                made[task].batch(0, 0)
    if problems:
        raise DocumentError(problems, found.sources)
    return made


def _start(request: Request, report: Checked, recipe: Recipe, registry: Registry) -> Start:
    """The weights that the run begins with. Raises InputError for options of a checkpoint that is not named."""
    options = {name: value for name, value in request.start.items() if value}
    held = held_lock(options.pop("locked", False), request.name, registry)
    own = any(module.weights is not None for module in report.modules.values())
    if "weights" not in options and options and not (own and set(options) == {"init"}):
        names = " and ".join(f"--{name}" for name in options)
        raise InputError(
            f"{names}: training begins with initial weights; name the checkpoint to begin with by --weights"
        )
    plans = [plan for task in recipe.tasks for plan in _plans(report, task)]
    needed = module_names(plans)
    return Start.of(
        report, registry, **{"weights": None, **options}, needed=needed, otherwise=INITIAL, held=held
    )


def _plans(report: Checked, task: str) -> tuple[Plan, Plan]:
    return plan_objective(report.tasks[task]), plan_task(report.tasks[task])


def _data(
    programs: Programs, recipe: Recipe, chosen: ChosenRecipe, registry: Registry, splits: tuple[str, ...]
) -> tuple[dict[str, SampleData], dict[str, list[str]]]:
    """The data of every task, rehearsed, and the layers of adapters that had no gradient meanwhile.

    Raises DocumentError with all that is wrong with it.
    """
    found = chosen.found
    assert found.tree is not None
    assert found.document is not None
    problems: list[Problem] = []
    data: dict[str, SampleData] = {}
    own = opened(chosen, recipe, found.document, problems)
    for task, entry in recipe.tasks.items():
        with collecting(problems, found.tree, task):
            if task in found.data and task not in own:
                continue  # it was told what is wrong with them
            source = own_source(own[task]) if task in own else build_source(task, *found.datasets[task])
            plan = programs.plan(task)
            made = SampleData(recipe=entry, plan=plan, source=source, seed=recipe.seed, registry=registry)
            if task in own:
                answered = host_inputs(plan_task(found.document.tasks[task]), registry.kinds)
                scored = found.evaluations.get(task)
                if scored is not None and scored.metrics:
                    own[task].reference = scored.reference
                looked_through(own[task], (made.inputs, answered))
            scored_splits(source, splits)
            data[task] = made
    if not problems:
        _hold_splits(data, splits)
    model = Model(
        report=found.document,
        modules=programs.running,
        tasks=list(recipe.tasks),
        device=programs.numerics.device,
    )
    told, idle = rehearse(programs, data, model, recipe, found.evaluations, found.tree, splits)
    problems += told
    if problems:
        raise DocumentError(dict.fromkeys(problems), found.sources)
    problems = [
        never_trained(part, found.document)
        for part, layers in idle.items()
        if len(layers) == len(programs.parts.layers[part])
    ]
    if problems:
        raise DocumentError(problems, found.document.sources)
    return data, {part: layers for part, layers in idle.items() if layers}


def _hold_splits(
    data: Mapping[str, SampleData], splits: tuple[str, ...], usual: tuple[str, ...] = SPLITS
) -> None:
    """Raise InputError for a split that was asked for and that no dataset has; the usual ones may be missing."""
    known = sorted({split for item in data.values() for split in item.source.splits})
    for split in splits:
        if split not in known and split not in usual:
            raise unknown("split", split, known, "the data")


def _hold_tasks(recipe: Recipe, tasks: tuple[str, ...] | None) -> None:
    """Raise InputError where the wanted tasks are none, or not the recipe's."""
    for task in tasks or ():
        if task not in recipe.tasks:
            raise unknown("task", task, recipe.tasks, "the recipe")
    if tasks is not None and not tasks:
        raise InputError("no task is left to train: name at least one")


def _narrowed(recipe: Recipe, tasks: tuple[str, ...] | None) -> Recipe:
    if tasks is None:
        return recipe
    return recipe.model_copy(update={"tasks": {task: recipe.tasks[task] for task in tasks}})


def _changed(recipe: Recipe, changes: Mapping[str, object]) -> Recipe:
    """The recipe with other values. Raises InputError for a value that a recipe could not hold either."""
    written, changed = recipe.model_dump(by_alias=True), dict(changes)
    if "batch" in changed:
        batch = changed.pop("batch")
        written["tasks"] = {name: {**task, "batch": batch} for name, task in written["tasks"].items()}
    try:
        return Recipe.model_validate({**written, **changed})
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}, not {fault['input']}"
            for fault in error.errors()
        )
        raise InputError(faults) from None
