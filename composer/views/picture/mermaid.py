"""Mermaid: the picture of tasks as text, for places that draw it themselves, such as a README."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from composer.graph import Checked
from composer.problems.render.cells import clean
from composer.views.picture.legend import legend_of
from composer.views.picture.notes import Notes, noted
from composer.views.picture.scene import Band, Box, Group, Scene, scenes_of

__all__ = ["mermaid_text"]


def mermaid_text(
    report: Checked,
    tasks: Iterable[str] | None = None,
    *,
    notes: Notes | None = None,
    objective: bool = False,
    closed: bool = False,
) -> str:
    """A flowchart: stages as subgraphs, port types on the edges, colours and notes as in the SVG."""
    scenes = scenes_of(report, tasks, objective=objective, closed=closed)
    if notes is not None:
        scenes = [noted(scene, notes) for scene in scenes]
    lines = ["flowchart TB"]
    numbers: dict[tuple[int, str], str] = {}
    for index, scene in enumerate(scenes):
        numbers |= {(index, name): f"n{len(numbers) + i}" for i, name in enumerate(scene.boxes)}
        body = _scene(index, scene, numbers)
        if len(scenes) > 1:
            lines += [
                f"  subgraph t{index}[{_quoted(scene.title)}]",
                *(f"  {line}" for line in body),
                "  end",
            ]
        else:
            lines += body
    for entry in legend_of(report, scenes):
        if entry.module:
            members = [
                numbers[index, box.name]
                for index, scene in enumerate(scenes)
                for box in scene.boxes.values()
                if box.module == entry.module
            ]
            style = f"fill:{entry.colour.fill},stroke:{entry.colour.line},color:#1b2027"
            lines += [f"  classDef {entry.css} {style}", f"  class {','.join(members)} {entry.css}"]
    return "\n".join(lines) + "\n"


def _scene(index: int, scene: Scene, numbers: dict[tuple[int, str], str]) -> Iterator[str]:
    for number, band in enumerate(scene.bands):
        indent = "    " if band.stage else "  "
        if band.stage:
            yield f"  subgraph t{index}s{number}[{_quoted(band.title)}]"
        yield from _boxes(index, scene, band, numbers, f"t{index}b{number}", indent)
        if band.stage:
            yield "  end"
    for link in scene.links:
        source, target = numbers[index, link.source], numbers[index, link.target]
        yield f"  {source} -->|{_quoted(link.label)}| {target}"


def _boxes(
    index: int, scene: Scene, band: Band, numbers: dict[tuple[int, str], str], part: str, indent: str
) -> Iterator[str]:
    """The boxes of a band, those of a piece in a subgraph of their own; a name can have only one in the whole chart."""
    around: list[Group] = []
    groups = {group.name: number for number, group in enumerate(scene.groups)}
    for name in sorted(band.boxes, key=lambda box: _first(box, band.boxes)):
        own = [group for group in scene.groups if name in group.boxes]
        while around and around[-1] not in own:
            around.pop()
            yield f"{indent}{'  ' * len(around)}end"
        for group in own[len(around) :]:
            key = f"{part}g{groups[group.name]}"
            yield f"{indent}{'  ' * len(around)}subgraph {key}[{_quoted(group.title)}]"
            around.append(group)
        yield f"{indent}{'  ' * len(around)}{numbers[index, name]}{_shape(scene.boxes[name])}"
    while around:
        around.pop()
        yield f"{indent}{'  ' * len(around)}end"


def _first(name: str, boxes: tuple[str, ...]) -> list[int]:
    """Sorts boxes of one piece behind each other, each piece where its first box is."""
    steps = name.split("/")
    paths = ["/".join(steps[: length + 1]) for length in range(len(steps))]
    return [
        next(index for index, box in enumerate(boxes) if box == path or box.startswith(f"{path}/"))
        for path in paths
    ]


def _shape(box: Box) -> str:
    text = _quoted(box.title, box.subtitle, *filter(None, (box.note,)))
    if box.role == "module":
        return f"[{text}]"
    if box.role == "piece":
        return f"[[{text}]]"
    return f"[/{text}/]" if box.role == "in-place" else f"([{text}])"


def _quoted(*lines: str) -> str:
    """Text as Mermaid reads it: in quotes, with everything that could end or style it as an entity."""
    return '"' + "<br>".join("".join(map(_safe, clean(line))) for line in lines) + '"'


def _safe(character: str) -> str:
    plain = character.isalnum() or character in " -_.,:+/"
    return character if plain else f"#{ord(character)};"
