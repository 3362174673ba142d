"""Warnings of a task, or a piece, without errors: what nothing needs, and what may come larger than it is taken."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.graph.wires import Wires
from composer.problems import Problem

if TYPE_CHECKING:
    from composer.graph.tasks import TaskChecker

__all__ = ["warn_beyond_defaults", "warn_unused"]


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


def warn_beyond_defaults(task: TaskChecker) -> None:
    """C225: inputs, and texts of nodes, that may by default be larger than the modules take."""
    solver = task.edges.solver
    for symbol, (shown, path, name, most) in task.edges.defaults.items():
        taken = solver.ranges[symbol][1]
        if taken < most and symbol not in solver.solved:
            message = (
                f"{shown} may be {most} long by default, and this task takes {taken} at most: "
                "what is longer is refused when it comes"
            )
            place = task.callees.document.tree.place((*path, "modality"))
            helps = (f"write `{name}: {taken}` in its `with`",) if name else ()
            task.findings.add(Problem("C225", "warning", message, place, helps=helps))
