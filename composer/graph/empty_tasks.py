"""A task, or a piece, without outputs: C110, where nothing else says why there are none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from yaml.nodes import MappingNode

from composer.language import removal, role_of
from composer.problems import Note, Problem

if TYPE_CHECKING:
    from composer.graph.tasks import TaskChecker

__all__ = ["tell_empty"]

_AIMS: dict[str | int, str] = {"tasks": "run", "pieces": "use"}


def tell_empty(task: TaskChecker) -> None:
    """Tell that there are no outputs, and which document removed them."""
    document, path = task.callees.document, task.path
    tree, outputs = document.tree, (*path, "outputs")
    written = tree.node(outputs)
    if isinstance(written, MappingNode) and written.value:
        task.findings.silence(outputs)  # their names could not be read
    if task.findings.is_silent_within(path):
        return
    what = role_of(path)
    message = f"{what} `{task.name}` has no outputs, so there is nothing to {_AIMS[path[0]]} it for"
    guess = tree.inherited_like(path)
    helps = [f"did you mean `{guess}`, a {what} of the extended document?"] if guess else []
    helps.append("add `outputs: {answer: node.port}`")
    place, notes = tree.place(path, key=True), tuple[Note, ...]()
    gone = next((at for where, at in document.removed.items() if where[: len(outputs)] == outputs), None)
    if gone is not None:
        message, notes, _ = removal(message, gone)
    task.findings.add(Problem("C110", "error", message, place, "", notes, tuple(helps)))
