"""Refusing what a plugin declares that torch cannot export, before any weight is read or anything is traced."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from composer.graph import Checked
from composer.plan import plan_task
from composer.plugin import Registry
from composer_compile.errors import CompileError
from composer_compile.stages.host_nodes import is_host_step

__all__ = ["check_exportable", "wanted_tasks"]


def wanted_tasks(report: Checked, tasks: Iterable[str] | None) -> list[str]:
    """The tasks to compile: all, unless some are named. Raises CompileError where that is none."""
    names = list(report.tasks if tasks is None else tasks)
    if not names:
        what = "no task is named" if report.tasks else f"{report.name} has no task"
        raise CompileError(f"there is nothing to compile: {what}")
    return names


def check_exportable(report: Checked, tasks: Iterable[str], registry: Registry) -> None:
    """Raise CompileError that names every node whose declaration says why it cannot be exported, and every input that
    may come without a part which no program can do without.

    Nodes that work on the host are not part of a program, and may do what they like.
    """
    refused = list(dict.fromkeys(line for task in tasks for line in _refused(report, task, registry)))
    if refused:
        raise CompileError("; ".join(refused))


def _refused(report: Checked, task: str, registry: Registry) -> Iterator[str]:
    for item in report.tasks[task].inputs.values():
        for port, given in item.host.items():
            kind = registry.kinds[given.kind]
            # An absent mask says that all counts, which ones say as well; what another absent field says, nobody knows.
            left_out = [name for name, each in kind.fields.items() if each.optional and name != kind.mask]
            if left_out and not item.training:
                place = report.document.tree.place(item.path, key=True)
                yield (
                    f"task `{task}` cannot be compiled: input `{item.name}` ({place}) may come without "
                    f"`{left_out[0]}` of its {port}, and a program takes all fields but the mask: the kind `{kind.id}` "
                    "has to name it as its `mask`, or always give it"
                )
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
