"""What two documents have in common and what not, as text: what differs line by line, what is the same counted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from composer.views.columns import columns
from composer.views.cost.cost_text import flops_text
from composer.views.diff.diff_values import DocumentDiff, PartDiff, TaskDiff, counted
from composer.views.labels import value_text

__all__ = ["diff_text"]

SIGNS = {"same": " ", "renamed": "=", "other sizes": "*", "changed": "~", "only in A": "-", "only in B": "+"}


def diff_text(found: DocumentDiff) -> str:
    """`-` only in A, `+` only in B, `~` changed, `*` the same with other sizes, `=` the same under another name.

    What is the same is counted.
    """
    blocks = [[f"A  {found.a}", f"B  {found.b}"]]
    blocks.append([_summary("modules", found.modules), *_lines(found.modules)])
    blocks += [_task(task) for task in found.tasks]
    if found.cost:
        blocks.append(_cost(found))
    if found.same:
        blocks.append(["nothing differs but names" if _renamed(found) else "nothing differs"])
    return "\n\n".join("\n".join(block) for block in blocks)


def _renamed(found: DocumentDiff) -> bool:
    parts = [*found.modules, *(part for task in found.tasks for part in task.parts)]
    return any(part.state == "renamed" for part in parts) or any(task.a != task.b for task in found.tasks)


def _summary(title: str, parts: Sequence[PartDiff]) -> str:
    counts = {state: number for state, number in counted(parts).items() if number}
    told = ", ".join(f"{number} {state}" for state, number in counts.items())
    return f"{title}: {told or 'none'}"


def _task(task: TaskDiff) -> list[str]:
    if task.a is None or task.b is None:
        side = "B" if task.a is None else "A"
        return [f"task {task.name}: only in {side} ({len(task.nodes)} nodes)"]
    lines = [f"task {task.name}"]
    for title in ("inputs", "nodes", "outputs"):
        parts: tuple[PartDiff, ...] = getattr(task, title)
        lines += [f"  {_summary(title, parts)}", *_lines(parts, indent="  ")]
    return lines + [f"  {each.what}: {value_text(each.a)} → {value_text(each.b)}" for each in task.changes]


def _lines(parts: Iterable[PartDiff], indent: str = "") -> list[str]:
    lines = []
    shown = [part for part in parts if part.state != "same"]
    heads = columns([(SIGNS[part.state], part.name, part.type) for part in shown]) if shown else []
    for part, head in zip(shown, heads, strict=True):
        lines.append(f"{indent}  {head}")
        lines += [
            f"{indent}      {change.what}: {value_text(change.a)} → {value_text(change.b)}"
            for change in part.changes
        ]
    return lines


def _cost(found: DocumentDiff) -> list[str]:
    parameters = found.cost["parameters"]
    rows: list[tuple[str, ...]] = [("cost", "A", "B", "in common")]
    rows.append(("parameters", *(f"{parameters[key]:,}" for key in ("a", "b", "in common"))))
    rows += [
        (f"  {name}", *(_number(each[key]) for key in ("a", "b")), "")
        for name, each in found.cost["modules"].items()
    ]
    rows += [
        (f"task {name}", *(_flops(each[key]) for key in ("a", "b")), "")
        for name, each in found.cost["flops"].items()
    ]
    return columns(rows, right=frozenset((1, 2, 3)))


def _number(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"


def _flops(value: int | None) -> str:
    return "-" if value is None else f"{flops_text(value)}FLOP"
