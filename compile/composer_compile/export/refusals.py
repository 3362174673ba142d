"""Refusing what a plugin declares that torch cannot export, before any weight is read or anything is traced."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from composer.graph import Checked
from composer.plan import plan_task
from composer.plugin import Registry
from composer_compile.errors import CompileError
from composer_compile.stages.host_nodes import is_host_step

__all__ = ["check_exportable"]


def check_exportable(report: Checked, tasks: Iterable[str], registry: Registry) -> None:
    """Raise CompileError that names every node whose declaration says why it cannot be exported.

    Nodes that work on the host are not part of a program, and may do what they like.
    """
    refused = list(dict.fromkeys(line for task in tasks for line in _refused(report, task, registry)))
    if refused:
        raise CompileError("; ".join(refused))


def _refused(report: Checked, task: str, registry: Registry) -> Iterator[str]:
    for step in plan_task(report.tasks[task]).steps:
        node = step.node
        type_ = node.module.type
        generation = type_.generation if node.generates else None
        called = generation if generation is not None else type_.methods[node.method]
        if called.not_exportable and not is_host_step(step, registry):
            name = type_.id if node.method == "forward" else f"{type_.id}.{node.method}"
            place = report.document.tree.place(node.path, key=True)
            yield (
                f"task `{task}` cannot be compiled: node `{step.name}` ({place}) calls {name}, which cannot be "
                f"exported: {called.not_exportable}"
            )
