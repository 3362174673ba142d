"""The picture of a compile plan: every engine in a colour, and what falls back or runs on the host in others."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from composer_compile.plan.plan_report import CompilePlan, NodePlan

    from composer.graph import Checked, CheckedNode
    from composer.views.picture import Coat, Paint, Painting

__all__ = ["draw_plan"]

_STOPPED = "stopped"


def draw_plan(report: Checked, plan: CompilePlan, path: Path) -> None:
    """Write the picture of the plan's tasks to `path`, whose ending tells the format."""
    from composer.views.picture import write_picture

    write_picture(path, report, [task.name for task in plan.tasks], painting=_painting(report, plan))


def _painting(report: Checked, plan: CompilePlan) -> Painting:
    from composer.views.picture import Coat, Painting

    boxes: dict[tuple[str, str], Coat] = {}
    engines: dict[str, str] = {}
    for task in plan.tasks:
        planned: dict[str, list[NodePlan]] = {}
        for stage in task.stages:
            for node in stage.nodes:
                planned.setdefault(node.name, []).append(node)
        checked = report.tasks[task.name]
        for name, parts in planned.items():
            owner, note = _owner(checked.nodes.get(name))
            paint = _paint_of(parts, owner)
            if paint == owner:
                engines.setdefault(owner, note)
            boxes[task.name, name] = Coat(paint, _note(parts), tuple(map(_detail, parts)) + _left(parts))
        for name, item in checked.nodes.items():
            if name not in planned and not item.training:
                boxes[task.name, name] = Coat(_STOPPED, "not planned")
    return Painting(_paints(plan.backend, engines), boxes)


def _owner(node: CheckedNode | None) -> tuple[str, str]:
    """Whose engine a node's is, and the legend's note on it: a module's, one for all calls in place, the inputs'."""
    if node is None:
        return "inputs", "scaling and normalising, inside the program"
    if node.is_in_place:
        return "in place", "owns no weights"
    return node.module.name, node.module.type.id


def _paint_of(parts: Sequence[NodePlan], owner: str) -> str:
    found = {part.status for part in parts if part.status != "nothing"}
    if not found:
        return "nothing"
    return owner if found == {"supported"} else found.pop() if len(found) == 1 else "partial"


def _paints(backend: str, engines: dict[str, str]) -> dict[str, Paint]:
    """Engines in the order of their first node, then all that is none."""
    from composer.views.picture import ALARM, OUTSIDE, PLAIN, WARNING, Paint, cool_colour

    return {
        **{
            name: Paint(cool_colour(number), name, f"{note}: in an engine of {backend}")
            for number, (name, note) in enumerate(engines.items())
        },
        "partial": Paint(WARNING, "falls back in part", f"some operations are left to torch by {backend}"),
        "fallback": Paint(ALARM, "falls back", f"no operation goes into an engine of {backend}"),
        "host": Paint(OUTSIDE, "host", "runs in Python beside the programs", dashed=True),
        "nothing": Paint(PLAIN, "nothing to run", "its values go on as they are"),
        _STOPPED: Paint(PLAIN, "not planned", "comes after a node that cannot be compiled", dashed=True),
    }


def _note(parts: Sequence[NodePlan]) -> str:
    left = sum(each.count for part in parts for each in part.fallbacks)
    operations = sum(part.num_operations for part in parts)
    engines = sum(part.engines for part in parts)
    counted = f"{engines} engine{'' if engines == 1 else 's'}" if engines else ""
    if any(part.on_host for part in parts):
        return "on the host"
    return ", ".join(filter(None, (f"{left} of {operations} fall back" if left else "", counted)))


def _detail(part: NodePlan) -> str:
    return (
        f"{part.callee}: {part.num_operations} operations, {part.parameters:,} parameters, {part.flops:,} FLOPs, "
        f"{part.moved_bytes:,} bytes moved, {part.workspace_bytes:,} bytes of workspace"
    )


def _left(parts: Sequence[NodePlan]) -> tuple[str, ...]:
    return tuple(
        f"falls back: {each.target} x {each.count}, {each.reason}"
        for part in parts
        for each in part.fallbacks
    )
