"""The scene: what a picture of a task shows, before anything has a position."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from composer.graph import Checked, CheckedNode, CheckedTask, Endpoint, Report, endpoints_of
from composer.plan import Plan, plan_objective, plan_task
from composer.problems import InputError, YamlPath
from composer.views.labels import Labels, callee_text
from composer.views.picture.module_states import adapter_text, states_of

__all__ = ["Band", "Box", "Group", "Link", "Scene", "nothing_to_draw", "scenes_of"]

Role = Literal["input", "module", "in-place", "piece", "output"]


@dataclass
class Box:
    """An input, a node or an output. `above` and `below` are its ports in drawing order, `below` with their labels."""

    name: str
    role: Role
    title: str
    subtitle: str
    module: str | None = None
    above: list[str] = field(default_factory=list)
    below: dict[str, str] = field(default_factory=dict)
    details: list[str] = field(default_factory=list)
    paint: str = ""
    """In a painted picture, the name of its paint."""
    note: str = ""
    """A third line: what is frozen of the module and where its weights come from, or what the node costs."""


@dataclass(frozen=True)
class Link:
    """An edge from a port below one box to a port above another."""

    source: str
    source_port: str
    target: str
    target_port: str
    label: str


@dataclass(frozen=True)
class Band:
    """Inputs, one stage, or outputs: boxes that are drawn in layers of their own."""

    title: str
    boxes: tuple[str, ...]
    stage: bool = False


@dataclass(frozen=True)
class Group:
    """The boxes of one use of a piece. Those of a use inside of another one are in both; `depth` counts from 0."""

    name: str
    title: str
    boxes: tuple[str, ...]
    depth: int


@dataclass
class Scene:
    """One task. The names of boxes are unique: those of outputs begin with `out:`."""

    title: str
    summary: str
    boxes: dict[str, Box]
    links: list[Link]
    bands: list[Band]
    groups: list[Group] = field(default_factory=list)


def scenes_of(
    report: Report, tasks: Iterable[str] | None = None, *, objective: bool = False, closed: bool = False
) -> list[Scene]:
    """A scene per task: what answering takes; with `objective`, what the loss takes, of the tasks that have one.

    With `closed`, each use of a piece is one box.

    Raises InputError where there is no task, or the objective is asked for and none of the tasks has one.
    """
    checked = report.raise_for_errors()
    chosen = [checked.tasks[name] for name in (checked.tasks if tasks is None else tasks)]
    if not chosen:
        raise nothing_to_draw(checked.name)
    if not objective:
        return [_scene(checked, task, plan_task(task), task.outputs, closed) for task in chosen]
    trained = [(task, task.loss) for task in chosen if task.loss is not None]
    if not trained:
        names = ", ".join(f"`{task.name}`" for task in chosen)
        raise InputError(f"nothing to draw: {names} of {report.name} has no objective")
    return [_scene(checked, task, plan_objective(task), {"loss": loss}, closed) for task, loss in trained]


def nothing_to_draw(name: str) -> InputError:
    """What is said of a document, or of two that are compared, without a task."""
    return InputError(f"nothing to draw: {name} has no task")


def _scene(
    report: Checked, task: CheckedTask, plan: Plan, outputs: Mapping[str, Endpoint], closed: bool
) -> Scene:
    labels = Labels(task)
    boxes: dict[str, Box] = {}
    links: list[Link] = []
    for name, item in plan.inputs.items():
        details = [f"input {name}: {item.modality.summary}", _line(report, item.path)]
        box = Box(name, "input", name, item.reads, details=details)
        box.below = _labelled({port: labels.output((name, port)) for port in item.ports})
        boxes[name] = box
    for step in plan.steps:
        boxes[step.name] = _node_box(report, step.node, labels)
        links += _links(step.node, labels)
    for name, endpoint in outputs.items():
        details = [f"output {name} shows {'.'.join(endpoint)}: {labels.output(endpoint)}"]
        boxes[f"out:{name}"] = Box(f"out:{name}", "output", name, "output", above=[""], details=details)
        links.append(Link(*endpoint, f"out:{name}", "", labels.output(endpoint)))
    _keep_used_ports(boxes, links)
    scene = Scene(task.name, " ".join(task.summary.split()), boxes, links, _bands(plan, boxes))
    if not task.uses:
        return scene
    from composer.views.picture.grouping import closed_scene, groups_of

    scene.groups = groups_of(task, boxes)
    return closed_scene(scene, task, labels) if closed else scene


def _node_box(report: Checked, node: CheckedNode, labels: Labels) -> Box:
    in_place = node.is_in_place
    box = Box(node.name, "in-place" if in_place else "module", node.name, callee_text(node))
    box.module = None if in_place else node.module.name
    box.above = [port for port in node.signature.inputs if port in node.sources]
    box.below = _labelled({port: labels.output((node.name, port)) for port in node.signature.outputs})
    takes = [
        f"takes {port}: {labels.port(node_type)}"
        for port in box.above
        if (node_type := labels.task.wanted.get((node.name, port))) is not None
    ]
    gives = [f"gives {port}: {labels.output((node.name, port))}" for port in node.signature.outputs]
    verb = "uses" if in_place else f"{node.module.type.id}, called as"
    box.note = "" if in_place else " · ".join(states_of(node.module, short=True))
    states = () if in_place else states_of(node.module)
    adapters = [f"adapter {adapter_text(node)}"] if node.callee.adapter else []
    box.details = [f"node {node.name}: {verb} {box.subtitle}", *adapters, *states, *takes, *gives]
    box.details.append(_line(report, node.path))
    return box


def _labelled(types: Mapping[str, str]) -> dict[str, str]:
    """With several ports each is named; a port called as its kind needs no name."""
    if len(types) == 1:
        return dict(types)
    return {
        port: text if text.partition("[")[0] == port else f"{port}: {text}" for port, text in types.items()
    }


def _links(node: CheckedNode, labels: Labels) -> Iterable[Link]:
    for port, source in node.sources.items():
        for endpoint in endpoints_of(source):
            yield Link(*endpoint, node.name, port, labels.output(endpoint))


def _keep_used_ports(boxes: Mapping[str, Box], links: Iterable[Link]) -> None:
    used = {(link.source, link.source_port) for link in links}
    for box in boxes.values():
        box.below = {port: label for port, label in box.below.items() if (box.name, port) in used}


def _bands(plan: Plan, boxes: Mapping[str, Box]) -> list[Band]:
    outputs = tuple(name for name, box in boxes.items() if box.role == "output")
    stages = [
        Band(stage.name, tuple(s.name for s in stage.steps if not s.node.training), stage=True)
        for stage in plan.stages
    ]
    training = tuple(s.name for s in plan.steps if s.node.training)
    bands = [
        Band("inputs", tuple(plan.inputs)),
        *stages,
        Band("objective", training, stage=True),
        Band("outputs", outputs),
    ]
    return [band for band in bands if band.boxes]


def _line(report: Checked, path: YamlPath) -> str:
    place = report.document.tree.place(path, key=True)
    return f"{place.file}:{place.line}"
