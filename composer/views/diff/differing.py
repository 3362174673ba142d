"""What two documents, or a task of each, have in common and what not. Torch-free, unless costs are asked for."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from composer.graph import Checked
from composer.views.diff.diff_values import DocumentDiff, PartDiff, TaskDiff
from composer.views.diff.matching import likeness, paired
from composer.views.diff.module_diff import declared_changes, match_modules, module_diffs
from composer.views.diff.shapes_of_tasks import TaskGraph, graph_of
from composer.views.diff.task_diff import task_diff, task_only_in

if TYPE_CHECKING:
    from composer.views.cost import Cost

__all__ = ["diff_documents"]

NEAR = 0.4
"""Tasks of other names are taken for one where their nodes have so much in common."""


def diff_documents(
    a: Checked, b: Checked, *, task_a: str | None = None, task_b: str | None = None, cost: bool = False
) -> DocumentDiff:
    """Compare two documents by what their parts are; names alone make no difference.

    With a task of each, these two are compared; with a task of one alone, it is held against the task of the other that
    has its name, or that is most like it. `cost` measures both, which needs torch.
    """
    ours = {name: graph_of(a.tasks[name]) for name in (a.tasks if task_a is None else [task_a])}
    theirs = {name: graph_of(b.tasks[name]) for name in (b.tasks if task_b is None else [task_b])}
    pairs = _tasks(ours, theirs, task_a, task_b)
    if task_a is not None or task_b is not None:
        ours = {name: graph for name, graph in ours.items() if task_a is not None or name in pairs}
        theirs = {n: graph for n, graph in theirs.items() if task_b is not None or n in pairs.values()}
    modules = match_modules(a, b, ours.values(), theirs.values())
    tasks: list[TaskDiff] = []
    for name, graph in ours.items():
        other = pairs.get(name)
        if other is None:
            tasks.append(task_only_in(graph, a=True))
            continue
        shapes = a.document.shape.tasks[name].compile, b.document.shape.tasks[other].compile
        compiled = declared_changes(*shapes, set(), "compile.")
        tasks.append(replace(task_diff(graph, theirs[other], modules), changes=compiled))
    tasks += [task_only_in(graph, a=False) for n, graph in theirs.items() if n not in pairs.values()]
    parts = module_diffs(a, b, modules, ours.values(), theirs.values())
    costs = _cost(a, b, list(ours), list(theirs), parts, tasks) if cost else {}
    return DocumentDiff(_title(a, task_a), _title(b, task_b), parts, tuple(tasks), costs)


def _title(report: Checked, task: str | None) -> str:
    return report.name if task is None else f"{report.name}:{task}"


def _tasks(
    ours: dict[str, TaskGraph], theirs: dict[str, TaskGraph], task_a: str | None, task_b: str | None
) -> dict[str, str]:
    """Task of A to task of B: those that were named, then those of one name, then those that are alike."""
    if task_a is not None and task_b is not None:
        return {task_a: task_b}
    pairs = {name: name for name in ours if name in theirs}

    def alike(one: str, other: str) -> float:
        found = [likeness(ours[one].around(n), theirs[other].around(n)) for n in (0, 1)]
        return sum(found) / 2 if found[0] >= least else 0.0

    was_named = task_a is not None or task_b is not None
    least = 0.0 if was_named else NEAR
    if was_named and not pairs:
        every = [(one, other) for one in ours for other in theirs]
        return dict([max(every, key=lambda pair: alike(*pair))]) if every else {}
    left = [name for name in theirs if name not in pairs.values()]
    return {**pairs, **paired([name for name in ours if name not in pairs], left, alike)}


def _cost(
    a: Checked,
    b: Checked,
    ours: list[str],
    theirs: list[str],
    modules: tuple[PartDiff, ...],
    tasks: list[TaskDiff],
) -> dict[str, Any]:
    """Parameters of both, those that are in modules of both, and FLOPs of every task."""
    from composer.views.cost import measure

    first, second = measure(a, tasks=ours), measure(b, tasks=theirs)
    flops_a = {task.name: task.flops for task in first.tasks}
    flops_b = {task.name: task.flops for task in second.tasks}
    common = sum(
        first.modules[each.a].parameters
        for each in modules
        if each.state in ("same", "renamed") and each.a is not None and each.a in first.modules
    )
    return {
        "parameters": {
            "a": sum(module.parameters for module in first.modules.values()),
            "b": sum(module.parameters for module in second.modules.values()),
            "in common": common,
        },
        "modules": {
            each.name: {
                "a": _parameters(first, each.a),
                "b": _parameters(second, each.b),
            }
            for each in modules
            if each.state not in ("same", "renamed")
        },
        "flops": {
            each.name: {"a": flops_a.get(each.a or ""), "b": flops_b.get(each.b or "")} for each in tasks
        },
    }


def _parameters(cost: Cost, module: str | None) -> int | None:
    """How many a module has; None for one that is not there, or that no measured task calls."""
    found = None if module is None else cost.modules.get(module)
    return None if found is None else found.parameters
