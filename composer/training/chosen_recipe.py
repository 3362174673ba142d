"""Which recipe a run follows: one that is named or found, with other data where these are given, or one made for it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from composer.data import DataError, OwnRows, read_own
from composer.data.default_recipe import Defaults, defaults_of, recipe_text
from composer.files import is_utf8
from composer.graph import Checked, check
from composer.language import Source
from composer.plugin import Registry, load_registry
from composer.problems import DocumentError, InputError, Problem
from composer.recipes import DataRecipe, Recipe, RecipeReport, TaskRecipe, check_recipe, find_recipe
from composer.sources.given import read_given
from composer.training.rehearsal import collecting

__all__ = ["ChosenRecipe", "choose", "made_recipe", "opened", "plain_errors"]

OF_DATA = ("C406", "C410", "C411", "C412", "C413", "C414")
"""Codes of problems that are about data, and no other value of a recipe."""
VALIDATED = "validation"
MADE = "the recipe for --data"
"""What stands for the file of a recipe that was made."""


@dataclass(frozen=True)
class ChosenRecipe:
    """A checked recipe with the user's own data opened."""

    found: RecipeReport
    own: Mapping[str, OwnRows] = field(default_factory=dict)
    """Task to its rows, where they are the user's own."""
    defaults: Defaults | None = None
    """What was chosen for a run without a recipe."""


def choose(
    name: str | Path,
    registry: Registry,
    report: Checked,
    *,
    recipe: str | Path | None,
    tasks: Sequence[str] | None,
    data: DataRecipe | None,
    changes: Mapping[str, object],
    start: Mapping[str, Any],
) -> ChosenRecipe:
    """Find or make the recipe, check it, and open the data of its tasks.

    `start` holds the options that say which weights the run begins with.

    Raises DocumentError, or InputError where it is about the given data alone.
    """
    path = None
    try:
        path = find_recipe(name, registry, recipe)
    except InputError:
        if data is None:
            raise
    if path is None and data is not None:
        task, own, defaults = _made(report, registry, tasks, data, start)
        text = recipe_text(str(name), report.tasks[task], data, defaults, asked=changes)
        found = check_recipe(Source(MADE, text), registry=registry, document=report, data=data)
        found.raise_for_errors()
        return ChosenRecipe(found, {task: own}, defaults)
    assert path is not None
    if data is not None and tasks is None:
        tasks = [_only(report, None, _recipe_tasks(path, registry, report))]
    found = check_recipe(path, registry=registry, document=report, tasks=tasks, data=data)
    return ChosenRecipe(found)


def _made(
    report: Checked,
    registry: Registry,
    tasks: Sequence[str] | None,
    data: DataRecipe,
    start: Mapping[str, Any],
) -> tuple[str, OwnRows, Defaults]:
    """The one task that is trained, its rows, and what is chosen for them."""
    task = _only(report, tasks)
    own = read_own(report.tasks[task], _bare(data), data, Path(), registry.formats)
    rows = len(own.samples("train")) if "train" in own.splits else 1
    defaults = defaults_of(report.tasks[task], rows, _given(report, registry, start))
    defaults.validated = len(own.samples(VALIDATED)) if VALIDATED in own.splits else 0
    return task, own, defaults


def _given(report: Checked, registry: Registry, start: Mapping[str, Any]) -> set[str]:
    """The modules whose weights the options of a run name."""
    names = ("weights", "layout", "root")
    given = read_given(report, registry, *(start.get(name) for name in names))
    whole = given.whole is not None and not given.initial
    fresh = set(start.get("init") or ())
    return (set(report.modules) if whole else set(given.pairs)) - fresh


def made_recipe(
    name: str | Path,
    data: DataRecipe,
    folder: Path,
    *,
    tasks: Sequence[str] | None = None,
    settings: Mapping[str, object] | None = None,
    changes: Mapping[str, object] = MappingProxyType({}),
    start: Mapping[str, Any] = MappingProxyType({}),
    registry: Registry | None = None,
) -> str:
    """The recipe by which a task would be trained with data, for a file in a folder. Raises as `choose` does."""
    registry = registry if registry is not None else load_registry()
    report = check(name, registry=registry, settings=settings).raise_for_errors()
    with plain_errors(data):
        task, _, defaults = _made(report, registry, tasks, data, start)
    path = Path(name)
    document = Path(os.path.relpath(path, folder)).as_posix() if path.is_file() else str(name)
    for named in (
        document,
        *(file for files in data.files.values() for file in files),
        data.media_root or "",
    ):
        if not is_utf8(named):
            raise InputError(
                f"a recipe is UTF-8 text, and {named} is not: rename it, or give a path that does not lead through "
                "the folder that is called so"
            )
    return recipe_text(document, report.tasks[task], data, defaults, folder, changes)


def opened(
    chosen: ChosenRecipe, recipe: Recipe, report: Checked, problems: list[Problem]
) -> dict[str, OwnRows]:
    """The rows of every task that has data of the user's own; what is wrong with them joins the problems."""
    found = chosen.found
    own = dict(chosen.own)
    assert found.tree is not None
    for task, data in found.data.items():
        if task in recipe.tasks and task not in own:
            with collecting(problems, found.tree, task):
                place = found.folder or Path()
                own[task] = read_own(
                    report.tasks[task], recipe.tasks[task], data, place, report.registry.formats
                )
    return own


@contextmanager
def plain_errors(data: DataRecipe | None) -> Iterator[None]:
    """Where data are given by options and no file of a recipe is at fault, say what is wrong without one."""
    try:
        yield
    except DataError as error:
        if data is None:
            raise
        raise InputError(_told([(error.code, error.message, error.helps)])) from None
    except DocumentError as error:
        if data is None or not all(problem.code in OF_DATA for problem in error.problems):
            raise
        raise InputError(_told([(p.code, p.message, p.helps) for p in error.problems])) from None


def _told(problems: list[tuple[str, str, tuple[str, ...]]]) -> str:
    return "\n".join("; ".join((f"{message} ({code})", *helps)) for code, message, helps in problems)


def _bare(data: DataRecipe) -> TaskRecipe:
    """A task of a recipe as far as reading the data asks for it."""
    return TaskRecipe.model_construct(data=data, batch=1, fields={}, group=None)


def _only(report: Checked, tasks: Sequence[str] | None, known: Iterable[str] | None = None) -> str:
    """The one task that is trained. Raises InputError where there are several, or none."""
    trainable = [name for name, task in report.tasks.items() if task.loss is not None]
    if known is not None:
        trainable = [name for name in trainable if name in set(known)]
    if tasks is not None and len(tasks) == 1:
        (task,) = tasks
        if task in report.tasks and task not in trainable:
            raise InputError(
                f"task `{task}` of {report.name} has no objective, so it cannot be trained: add an `objective` with a "
                "`loss` to it in the document"
            )
        if task not in report.tasks:
            from composer.problems.suggest import unknown

            raise unknown("task", task, trainable, report.name)
        return task
    if not trainable:
        raise InputError(
            f"{report.name} has no task with an objective: add an `objective` with a `loss` to a task in the document"
        )
    if (tasks is not None and len(tasks) > 1) or len(trainable) > 1:
        shown = ", ".join(tasks or trainable)
        first = (tasks or trainable)[0]
        raise InputError(
            f"--data are the data of one task, and there are several ({shown}): name it as DOC:{first}, or give each "
            "task its `data` in a recipe"
        )
    return trainable[0]


def _recipe_tasks(path: Path, registry: Registry, report: Checked) -> list[str]:
    found = check_recipe(path, registry=registry, document=report)
    return [] if found.recipe is None else list(found.recipe.tasks)
