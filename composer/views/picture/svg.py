"""SVG: the picture of a document or of one task, as one file without scripts, fonts or links."""

from __future__ import annotations

from collections.abc import Iterable

from composer.graph import Checked
from composer.views.picture import placing
from composer.views.picture.arranging import arrange
from composer.views.picture.canvas import Canvas, attribute, number
from composer.views.picture.colours import NEUTRAL
from composer.views.picture.legend import Entry, legend_of
from composer.views.picture.notes import Notes, noted
from composer.views.picture.painting import Painting, painted, painted_legend
from composer.views.picture.placing import Placed, Rect, place, text_width
from composer.views.picture.scene import Box, Group, Scene, nothing_to_draw, scenes_of

__all__ = ["svg_of_scenes", "svg_text"]

_WHITE = "#ffffff"
_PAD = 24.0
_TASK_HEAD = 46.0
_NAME, _TITLE, _ENTRY, _NOTE = 18.0, 15.0, 12.0, 11.5
"""Sizes of text outside of the boxes."""


def svg_text(
    report: Checked,
    tasks: Iterable[str] | None = None,
    *,
    painting: Painting | None = None,
    notes: Notes | None = None,
    objective: bool = False,
    closed: bool = False,
) -> str:
    """The picture of some tasks (all when left out). Colours follow the reader's light or dark setting.

    Colours tell modules apart, or whatever a `painting` says; `notes` add a third line to boxes. With `objective`
    the picture shows what training computes instead of what answering does; with `closed` a use of a piece is one box.

    Every box has a `<title>` with its shapes and its line in the YAML file, which browsers show on hover.
    """
    scenes = scenes_of(report, tasks, objective=objective, closed=closed)
    if notes is not None:
        scenes = [noted(scene, notes) for scene in scenes]
    if painting is None:
        legend = legend_of(report, scenes)
    else:
        scenes = [painted(scene, painting) for scene in scenes]
        legend = painted_legend(painting, scenes)
    return svg_of_scenes(report.name, scenes, legend, notes.meaning if notes is not None else "")


def svg_of_scenes(name: str, scenes: Iterable[Scene], legend: list[Entry], meaning: str = "") -> str:
    """The picture of scenes, wherever they come from, below a name and a legend. Raises InputError for none."""
    panels = [place(scene) for scene in scenes]
    if not panels:
        raise nothing_to_draw(name)
    return _Drawing(name, panels, legend, meaning).text()


class _Drawing:
    """The name and the legend, then the tasks from left to right, in as many rows as they need."""

    def __init__(self, name: str, panels: list[Placed], legend: list[Entry], meaning: str) -> None:
        self.name = name
        self.meaning = meaning
        self.panels = panels
        self.legend = legend
        self.entries = {entry.module: entry for entry in legend if entry.module}
        self.canvas = Canvas()

    def text(self) -> str:
        y, head_width = self._head()
        lower, width = self._tasks(y, head_width)
        dark = [
            f".{entry.css} {{ fill: {entry.colour.dark_fill}; stroke: {entry.colour.dark_line} }}"
            for entry in self.legend
        ]
        return self.canvas.svg(max(width, head_width), lower + _PAD, f"Picture of {self.name}", dark)

    def _head(self) -> tuple[float, float]:
        """Draw the name and the legend; their lower end and width."""
        self.canvas.text(_PAD, 38, self.name, _NAME, bold=True)
        titles = max((text_width(entry.title, _ENTRY) for entry in self.legend), default=0.0)
        notes = max((text_width(entry.note, _NOTE) for entry in self.legend), default=0.0)
        x, y = _PAD + 36, 58.0
        for entry in self.legend:
            colour, area = entry.colour, Rect(_PAD, y, 26, 16)
            self.canvas.rect(
                entry.css, area, fill=colour.fill, line=colour.line, corner=4, dashed=entry.dashed
            )
            self.canvas.text(x, y + 12, entry.title, _ENTRY, mono=True, bold=bool(entry.module))
            self.canvas.text(x + titles + 18, y + 12, entry.note, _NOTE, muted=True)
            y += 22
        width = max(x + titles + 18 + notes, _PAD + text_width(self.name, _NAME))
        if self.meaning:
            self.canvas.text(_PAD, y + 12, self.meaning, _NOTE, muted=True)
            y, width = y + 22, max(width, _PAD + text_width(self.meaning, _NOTE))
        return y + 20, width + _PAD

    def _tasks(self, top: float, head_width: float) -> tuple[float, float]:
        """Draw the tasks; the lower end and the width of all."""
        page = arrange([_size(panel) for panel in self.panels], least_width=head_width - 2 * _PAD)
        for panel, (x, y) in zip(self.panels, page.corners, strict=True):
            self._panel(panel, _PAD + x, top + y)
        return top + page.height, _PAD + page.width + _PAD

    def _panel(self, panel: Placed, x: float, y: float) -> None:
        scene, canvas = panel.scene, self.canvas
        canvas.add(f'<g class="task" transform="translate({number(x)} {number(y)})">')
        canvas.text(8, 15, scene.title, _TITLE, mono=True, bold=True)
        if scene.summary:
            canvas.text(8, 34, scene.summary, _ENTRY, muted=True)
        canvas.add(f'<g transform="translate(0 {number(_TASK_HEAD)})">')
        for band, area in zip(scene.bands, panel.bands, strict=True):
            if band.stage:
                canvas.rect("band", area, fill="#f6f8fa", line="#d5dbe2", corner=8, bold=False)
            middle = area.y + area.height / 2 + 4
            canvas.text(area.x + 12, middle, band.title, _ENTRY, muted=True, bold=band.stage)
        for group in scene.groups:
            self._group(panel, group)
        for link, points in zip(scene.links, panel.routes, strict=True):
            canvas.edge(link.source, link.target, points)
        for box in scene.boxes.values():
            self._box(panel, box)
        canvas.add("</g></g>")

    def _group(self, panel: Placed, group: Group) -> None:
        """The ground on which the boxes of a piece stand, with its name."""
        areas = placing.areas_of(panel, group)
        for area in areas:
            self.canvas.rect("band", area, fill="#eaf0f6", line="#b9c4d0", corner=8, bold=False, dashed=True)
        self.canvas.text(
            areas[0].x + 6, areas[0].y + 11, group.title, placing.PORT_SIZE, mono=True, muted=True
        )

    def _box(self, panel: Placed, box: Box) -> None:
        area, canvas = panel.boxes[box.name], self.canvas
        canvas.add(f'<g class="box" data-box={attribute(box.name)} tabindex="0">')
        canvas.title(box.details)
        for port, label in box.below.items():
            below = panel.below[box.name, port]
            behind = Rect(
                below.x, below.y - 4, below.width, below.height + 4
            )  # its upper corners hide under the box
            canvas.rect("label", behind, fill=_WHITE, line="#c3cad3", corner=4, bold=False)
            middle = below.x + below.width / 2
            canvas.text(middle, below.y + 12, label, placing.LABEL_SIZE, mono=True, middle=True)
        self._body(box, area)
        note = placing.NOTE_HEIGHT if box.note else 0.0
        centre, top = area.x + area.width / 2, area.bottom - placing.BOX_HEIGHT - note
        for port in box.above if len(box.above) > 1 else ():
            x = panel.above[box.name, port]
            canvas.text(x, area.y + 11, port, placing.PORT_SIZE, mono=True, middle=True)
        canvas.text(centre, top + 18, box.title, placing.TITLE_SIZE, mono=True, bold=True, middle=True)
        canvas.text(centre, top + 34, box.subtitle, placing.SUBTITLE_SIZE, mono=True, muted=True, middle=True)
        if box.note:
            canvas.text(centre, top + 49, box.note, placing.NOTE_SIZE, mono=True, middle=True)
        canvas.add("</g>")

    def _body(self, box: Box, area: Rect) -> None:
        """Modules in their colour, calls in place dashed, inputs and outputs round; paint goes before all."""
        entry = self.entries.get(box.paint or box.module or "")
        dashed = box.role == "in-place"
        if entry is not None and box.paint:
            css, fill, line, dashed = entry.css, entry.colour.fill, entry.colour.line, entry.dashed
        elif box.role == "piece":
            css, fill, line, dashed = "single", NEUTRAL.fill, NEUTRAL.line, True
        elif box.role != "module":
            css, fill, line = "plain", _WHITE, NEUTRAL.line
        elif entry is None:
            css, fill, line = "single", NEUTRAL.fill, NEUTRAL.line
        else:
            css, fill, line = entry.css, entry.colour.fill, entry.colour.line
        round_ends = box.role in ("input", "output")
        corner = area.height / 2 if round_ends else 6
        self.canvas.rect(css, area, fill=fill, line=line, corner=corner, dashed=dashed)


def _size(panel: Placed) -> tuple[float, float]:
    """Width and height of a task with its title and summary."""
    scene = panel.scene
    words = max(text_width(scene.summary, _ENTRY), text_width(scene.title, _TITLE))
    return max(panel.width, 16 + words), _TASK_HEAD + panel.height
