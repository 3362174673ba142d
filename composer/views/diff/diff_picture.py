"""The picture of a comparison: the tasks of A and of B beside each other, what differs in colours."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from composer.graph import Checked
from composer.views.diff.diff_values import DocumentDiff, PartDiff, State, TaskDiff
from composer.views.labels import value_text
from composer.views.picture import ALARM, PLAIN, WARNING, Coat, Paint, Painting, cool_colour
from composer.views.picture.colours import NEUTRAL
from composer.views.picture.painting import painted, painted_legend
from composer.views.picture.picture_files import write_svg
from composer.views.picture.scene import Scene, scenes_of
from composer.views.picture.svg import svg_of_scenes

__all__ = ["diff_svg", "draw_diff"]

_PAINTS = {
    "same": Paint(NEUTRAL, "same", "the same in both"),
    "renamed": Paint(PLAIN, "renamed", "the same under another name"),
    "other sizes": Paint(cool_colour(0), "other sizes", "the same, given something of another size"),
    "changed": Paint(WARNING, "changed", "another config, options or sources"),
    "only in A": Paint(ALARM, "only in A", "without a double in B"),
    "only in B": Paint(cool_colour(1), "only in B", "without a double in A"),
}


def draw_diff(path: Path, a: Checked, b: Checked, found: DocumentDiff) -> None:
    """Write the picture of a comparison; the ending of the name tells the format. Raises InputError."""
    write_svg(path, _title(found), diff_svg(a, b, found))


def diff_svg(a: Checked, b: Checked, found: DocumentDiff) -> str:
    """The picture of a comparison as SVG: each task of A, and beside it what it is held against."""
    scenes: list[Scene] = []
    for task in found.tasks:
        for side, report, name in (("A", a, task.a), ("B", b, task.b)):
            if name is not None:
                (scene,) = scenes_of(report, [name])
                title = f"{side} · {report.name}:{name}"
                painting = Painting(_PAINTS, dict(_coats(title, task, side)))
                scenes.append(painted(replace(scene, title=title), painting))
    return svg_of_scenes(_title(found), scenes, painted_legend(Painting(_PAINTS, {}), scenes))


def _title(found: DocumentDiff) -> str:
    return f"{found.a} → {found.b}"


def _coats(title: str, task: TaskDiff, side: str) -> Iterator[tuple[tuple[str, str], Coat]]:
    for prefix, parts in (("", task.inputs), ("", task.nodes), ("out:", task.outputs)):
        for part in parts:
            name = part.a if side == "A" else part.b
            if name is not None:
                yield (title, f"{prefix}{name}"), Coat(part.state, _note(part.state), _details(part))


def _note(state: State) -> str:
    return "" if state in ("same", "renamed") else state


def _details(part: PartDiff) -> tuple[str, ...]:
    changes = tuple(f"{each.what}: {value_text(each.a)} → {value_text(each.b)}" for each in part.changes)
    return (f"{part.state}: {part.name}", *changes) if part.state != "same" else ()
