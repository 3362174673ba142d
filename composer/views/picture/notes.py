"""Notes: a third line in boxes, such as what each node costs, and a line about each task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from composer.graph import Checked
from composer.views.cost import Cost, StepCost, TaskCost
from composer.views.cost.cost_text import flops_text
from composer.views.picture.scene import Box, Scene

__all__ = ["Notes", "cost_notes", "noted"]


@dataclass(frozen=True)
class Notes:
    """Third lines of boxes by (task, box), words after the summary of tasks, and what the lines mean."""

    meaning: str
    boxes: Mapping[tuple[str, str], str]
    tasks: Mapping[str, str]


def noted(scene: Scene, notes: Notes) -> Scene:
    """The scene with the notes in its boxes and after its summary."""
    boxes = {name: _noted(box, notes.boxes.get((scene.title, name), "")) for name, box in scene.boxes.items()}
    summary = " ".join(filter(None, (scene.summary, notes.tasks.get(scene.title, ""))))
    return replace(scene, boxes=boxes, summary=summary)


def _noted(box: Box, note: str) -> Box:
    lines = " · ".join(filter(None, (box.note, note)))
    return replace(box, note=lines, details=[*box.details, note]) if note else box


def cost_notes(report: Checked, cost: Cost) -> Notes:
    """What every node costs: the parameters of its module, their share of the measured modules', the call's FLOPs."""
    boxes = {}
    tasks = {}
    for task in cost.tasks:
        tasks[task.name] = _task_line(cost, task)
        for step in (step for stage in task.stages for step in stage.steps):
            node = report.tasks[task.name].nodes[step.name]
            owners_of = () if node.is_in_place else tuple(dict.fromkeys((node.module.name, node.part)))
            boxes[task.name, step.name] = _step_line(cost, step, owners_of)
    owners = "the task's" if len(cost.tasks) == 1 else "all modules'"
    meaning = f"Third line of a box: parameters of its module, their share of {owners}, FLOPs of the call"
    return Notes(meaning, boxes, tasks)


def _step_line(cost: Cost, step: StepCost, owners: tuple[str, ...]) -> str:
    """`owners` are a module and the adapter that it is called with."""
    total = sum(module.parameters for module in cost.modules.values())
    own = sum(cost.modules[name].parameters for name in owners if name in cost.modules)
    parts = []
    if own:
        share = own / total
        parts.append(f"{flops_text(own)} · {f'{share:.0%}' if share >= 0.005 else '< 1%'}")
    if step.unknown:
        parts.append("FLOPs unknown")
    elif step.flops:
        parts.append(f"{flops_text(step.flops)}FLOP")
    return " · ".join(parts)


def _task_line(cost: Cost, task: TaskCost) -> str:
    at = ", ".join(f"{name} {size}" for name, size in task.sizes.items())
    parameters = flops_text(cost.parameters_of(task))
    return f"{parameters} parameters, {flops_text(task.flops)}FLOP{' at ' + at if at else ''}"
