"""What a task, or a piece, declares and needs for nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.graph.wires import Wires
from composer.problems import Problem

if TYPE_CHECKING:
    from composer.graph.tasks import TaskChecker

__all__ = ["warn_unused"]


def warn_unused(task: TaskChecker, wires: Wires) -> None:
    """C215 and C216: nodes and inputs that nothing needs; silent where a part that could not be read may need them."""
    if task.findings.is_silent_within(task.path):
        return
    ends = [text.partition(".")[0] for text in task.shape.outputs.values()]
    if task.shape.objective is not None:
        ends.append(task.shape.objective.loss.partition(".")[0])
    written = {name: path for name, (_, path, _) in task.nodes.items()}
    if task.expansion is not None:
        wires = task.expansion.wires
        written = task.expansion.written
    needed = wires.before(ends)
    tree = task.callees.document.tree
    for name, where in written.items():
        if name not in needed:
            message = f"no output needs node `{name}`"
            helps = ("name one of its ports under `outputs`, or remove it",)
            task.findings.add(Problem("C215", "warning", message, tree.place(where, key=True), helps=helps))
    whose = f" of piece `{task.name}`" if task.ports else ""
    for name in (*task.inputs, *task.ports):
        if name not in needed and not wires.is_read(name):
            message = f"input `{name}`{whose} is never used"
            place = tree.place(task.names[name], key=True)
            task.findings.add(Problem("C216", "warning", message, place))
