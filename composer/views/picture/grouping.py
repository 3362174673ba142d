"""Groups: the boxes of each use of a piece, drawn around them (open) or as one box in their place (closed)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from graphlib import CycleError, TopologicalSorter

from composer.graph import CheckedTask, Endpoint
from composer.views.labels import Labels, names_when_closed, source_texts_of
from composer.views.picture.scene import Box, Group, Link, Scene

__all__ = ["closed_scene", "groups_of"]


def groups_of(task: CheckedTask, boxes: Iterable[str]) -> list[Group]:
    """A group for every use of a piece that some of the boxes are inside of, the outer ones first."""
    names = list(boxes)
    found = []
    for name, use in task.uses.items():
        inside = tuple(box for box in names if box.startswith(f"{name}/"))
        if inside:
            found.append(Group(name, f"{name} · piece {use.callee.body.name}", inside, name.count("/")))
    return found


def closed_scene(scene: Scene, task: CheckedTask, labels: Labels) -> Scene:
    """The scene with one box for every use that the task itself writes.

    A use whose nodes lie in several stages, or that gives before it has all it takes, stays open: its box would stand
    in two places at once.
    """
    groups = [group for group in scene.groups if group.depth == 0 and _is_in_one_band(scene, group)]
    result = _closed(scene, task, labels, groups)
    while groups and _goes_round(result):
        groups = groups[:-1]
        result = _closed(scene, task, labels, groups)
    return result


def _closed(scene: Scene, task: CheckedTask, labels: Labels, groups: list[Group]) -> Scene:
    holder = {box: group.name for group in groups for box in group.boxes}
    boxes: dict[str, Box] = {}
    for name, box in scene.boxes.items():
        if name not in holder:
            boxes[name] = box
        elif holder[name] not in boxes:
            boxes[holder[name]] = _box(task, holder[name], labels)
    links: dict[Link, None] = {}
    for link in scene.links:
        source, target = holder.get(link.source), holder.get(link.target)
        if source is not None and source == target:
            continue
        end = (link.source, link.source_port)
        start = end if source is None else (source, _port_of(task, source, end))
        ports = [link.target_port]
        if target is not None:
            ports = [port for port, ends in task.uses[target].sources.items() if end in ends]
        links |= {Link(*start, target or link.target, port, link.label): None for port in ports}
    bands = [
        replace(band, boxes=tuple(dict.fromkeys(holder.get(name, name) for name in band.boxes)))
        for band in scene.bands
    ]
    used = {(link.source, link.source_port) for link in links}
    read = {(link.target, link.target_port) for link in links}
    for group in groups:
        box = boxes[group.name]
        box.below = {port: label for port, label in box.below.items() if (box.name, port) in used}
        box.above = [port for port in box.above if (box.name, port) in read]
    kept = [group for group in scene.groups if group.boxes[0] not in holder]
    return replace(scene, boxes=boxes, links=list(links), bands=bands, groups=kept)


def _box(task: CheckedTask, name: str, labels: Labels) -> Box:
    use = task.uses[name]
    ends = {port: end for port in use.callee.body.outputs if (end := use.shown(port)) is not None}
    types = {port: labels.output(end) for port, end in ends.items() if end in task.types}
    inside = [node for node in task.order if node.startswith(f"{name}/")]
    details = [
        f"node {name}: piece {use.callee.body.name}",
        *(f"takes {text}" for text in source_texts_of(use, names_when_closed(task))),
        *(f"gives {port}: {text}" for port, text in types.items()),
        f"inside: {', '.join(node.removeprefix(f'{name}/') for node in inside)}",
    ]
    fed = [port for port, given in use.sources.items() if given]
    below = {port: f"{port}: {text}" if len(types) > 1 else text for port, text in types.items()}
    return Box(name, "piece", name, f"piece {use.callee.body.name}", None, fed, below, details)


def _port_of(task: CheckedTask, name: str, end: Endpoint) -> str:
    use = task.uses[name]
    return next((port for port in use.callee.body.outputs if use.shown(port) == end), "")


def _is_in_one_band(scene: Scene, group: Group) -> bool:
    return sum(not set(group.boxes).isdisjoint(band.boxes) for band in scene.bands) == 1


def _goes_round(scene: Scene) -> bool:
    before: dict[str, list[str]] = {name: [] for name in scene.boxes}
    for link in scene.links:
        before[link.target].append(link.source)
    try:
        TopologicalSorter(before).prepare()
    except CycleError:
        return True
    return False
