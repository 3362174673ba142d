"""SVG: the picture of a document or of one task, as one file without scripts, fonts or links."""

from __future__ import annotations

from collections.abc import Iterable
from xml.sax.saxutils import escape, quoteattr

from composer.graph import Report
from composer.problems.render.cells import clean
from composer.views.picture import placing
from composer.views.picture.colours import NEUTRAL, Colour
from composer.views.picture.legend import Entry, legend_of
from composer.views.picture.placing import Placed, place
from composer.views.picture.scene import Box, Scene, scenes_of

__all__ = ["svg_text"]

_MONO = "ui-monospace, 'DejaVu Sans Mono', Menlo, 'Liberation Mono', monospace"
_SANS = "system-ui, 'DejaVu Sans', 'Segoe UI', sans-serif"
_PAD = 24.0
_TASK_HEAD = 46.0
_TASK_GAP = 40.0
_WIDEST = 1500.0
"""Tasks stand side by side up to this width."""


def svg_text(report: Report, tasks: Iterable[str] | None = None) -> str:
    """The picture of some tasks (all when left out). Colours follow the reader's light or dark setting.

    Every box has a `<title>` with its shapes and its line in the YAML file, which browsers show on hover.
    """
    scenes = scenes_of(report, tasks)
    legend = legend_of(report, scenes)
    panels = [place(scene) for scene in scenes]
    return _Drawing(report.name, panels, legend).text()


class _Drawing:
    """Collects the elements of one picture."""

    def __init__(self, name: str, panels: list[Placed], legend: list[Entry]) -> None:
        self.name = name
        self.panels = panels
        self.legend = legend
        self.colours = {entry.module: entry for entry in legend if entry.module}
        self.out: list[str] = []
        self.dark: list[str] = []

    def text(self) -> str:
        y = self._head()
        y, width = self._tasks(y)
        width = max(width, self._head_width())
        for entry in self.legend:
            self._dark_rule(entry.css, entry.colour)
        return "\n".join([*self._opening(width, y + _PAD), *self.out, "</svg>\n"])

    def _opening(self, width: float, height: float) -> list[str]:
        size = f'width="{_n(width)}" height="{_n(height)}" viewBox="0 0 {_n(width)} {_n(height)}"'
        rules = (
            ".page { fill: #14171c }", ".ink { fill: #e8ebef }", ".muted { fill: #a3adba }",
            ".edge { stroke: #8d98a6 }", ".tip { fill: #8d98a6 }", ".band { fill: #1c2129; stroke: #39424e }",
            ".label { fill: #14171c; stroke: #4a5561 }", ".plain { fill: #14171c; stroke: #8b97a5 }", *self.dark,
        )  # fmt: skip
        return [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label={_attribute(f"Picture of {self.name}")}>',
            f"<style>@media (prefers-color-scheme: dark) {{ {' '.join(rules)} }}</style>",
            '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
            '<path class="tip" d="M0 0.8 L8 4 L0 7.2 z" fill="#5b6672"/></marker></defs>',
            f'<rect class="page" width="{_n(width)}" height="{_n(height)}" fill="#ffffff"/>',
        ]

    def _dark_rule(self, css: str, colour: Colour) -> None:
        self.dark.append(f".{css} {{ fill: {colour.dark_fill}; stroke: {colour.dark_line} }}")

    def _head(self) -> float:
        self._text(_PAD, 38, self.name, 18, bold=True)
        y = 58.0
        for entry in self.legend:
            self._swatch(entry, y)
            self._text(_PAD + 36, y + 12, entry.title, 12, mono=True, bold=bool(entry.module))
            self._text(_PAD + 36 + self._legend_indent(), y + 12, entry.note, 11.5, muted=True)
            y += 22
        return y + 20

    def _legend_indent(self) -> float:
        return max((placing.text_width(entry.title, 12) for entry in self.legend), default=0.0) + 18

    def _head_width(self) -> float:
        notes = max((placing.text_width(entry.note, 11.5) for entry in self.legend), default=0.0)
        return _PAD * 2 + 36 + self._legend_indent() + notes

    def _swatch(self, entry: Entry, y: float) -> None:
        dashed = ' stroke-dasharray="4 3"' if entry.dashed else ""
        self.out.append(
            f'<rect class="{entry.css}" x="{_n(_PAD)}" y="{_n(y)}" width="26" height="16" rx="4" fill="{entry.colour.fill}" '
            f'stroke="{entry.colour.line}" stroke-width="1.4"{dashed}/>'
        )

    def _tasks(self, y: float) -> tuple[float, float]:
        """Draw the tasks from left to right, in rows; the lower end and the width of all."""
        x, lowest, widest = _PAD, y, 0.0
        for panel in self.panels:
            head = (
                max(placing.text_width(panel.scene.summary, 12), placing.text_width(panel.scene.title, 15))
                * 0.95
            )
            width = max(panel.width, head + 16)
            if x > _PAD and x + width > _WIDEST:
                x, y = _PAD, lowest + _TASK_GAP
            self._panel(panel, x, y)
            lowest = max(lowest, y + _TASK_HEAD + panel.height)
            x += width + _TASK_GAP
            widest = max(widest, x - _TASK_GAP + _PAD)
        return lowest, widest

    def _panel(self, panel: Placed, x: float, y: float) -> None:
        scene = panel.scene
        self.out.append(f'<g class="task" transform="translate({_n(x)} {_n(y)})">')
        self._text(8, 15, scene.title, 15, mono=True, bold=True)
        if scene.summary:
            self._text(8, 34, scene.summary, 12, muted=True)
        self.out.append(f'<g transform="translate(0 {_n(_TASK_HEAD)})">')
        for band, rect in zip(scene.bands, panel.bands, strict=True):
            if band.stage:
                self.out.append(
                    f'<rect class="band" x="{_n(rect.x)}" y="{_n(rect.y)}" width="{_n(rect.width)}" height="{_n(rect.height)}" '
                    'rx="8" fill="#f6f8fa" stroke="#d5dbe2"/>'
                )
            self._text(rect.x + 12, rect.y + rect.height / 2 + 4, band.title, 12, muted=True, bold=band.stage)
        for link, points in zip(scene.links, panel.routes, strict=True):
            self.out.append(
                f'<path class="edge" data-from={_attribute(link.source)} data-to={_attribute(link.target)} d="{_path(points)}" '
                'fill="none" stroke="#5b6672" stroke-width="1.4" marker-end="url(#tip)"/>'
            )
        for box in scene.boxes.values():
            self._box(panel, box)
        self.out.append("</g></g>")

    def _box(self, panel: Placed, box: Box) -> None:
        rect = panel.boxes[box.name]
        entry = self.colours.get(box.module or "")
        colour = entry.colour if entry is not None else NEUTRAL
        css = entry.css if entry is not None else "plain" if box.role != "module" else "single"
        fill = colour.fill if box.role == "module" else "#ffffff"
        dashed = ' stroke-dasharray="4 3"' if box.role == "in-place" else ""
        corner = 6 if box.role in ("module", "in-place") else BOX_CORNER
        self.out.append(f'<g class="box" data-box={_attribute(box.name)} tabindex="0">')
        self.out.append(f"<title>{_shown(chr(10).join(map(clean, box.details)))}</title>")
        for port, label in box.below.items():
            self._port_label(panel, box, port, label)
        self.out.append(
            f'<rect class="{css}" x="{_n(rect.x)}" y="{_n(rect.y)}" width="{_n(rect.width)}" height="{_n(rect.height)}" '
            f'rx="{corner}" fill="{fill}" stroke="{colour.line}" stroke-width="1.4"{dashed}/>'
        )
        centre, top = rect.x + rect.width / 2, rect.bottom - placing.BOX_HEIGHT
        if len(box.above) > 1:
            for port in box.above:
                self._text(
                    panel.above[box.name, port], rect.y + 11, port, placing.PORT_SIZE, mono=True, middle=True
                )
        self._text(centre, top + 18, box.title, placing.TITLE_SIZE, mono=True, bold=True, middle=True)
        self._text(centre, top + 34, box.subtitle, placing.SUBTITLE_SIZE, mono=True, muted=True, middle=True)
        self.out.append("</g>")

    def _port_label(self, panel: Placed, box: Box, port: str, label: str) -> None:
        rect = panel.below[box.name, port]
        self.out.append(
            f'<rect class="label" x="{_n(rect.x)}" y="{_n(rect.y - 4)}" width="{_n(rect.width)}" '
            f'height="{_n(rect.height + 4)}" rx="4" fill="#ffffff" stroke="#c3cad3"/>'
        )
        self._text(rect.x + rect.width / 2, rect.y + 12, label, placing.LABEL_SIZE, mono=True, middle=True)

    def _text(
        self,
        x: float,
        y: float,
        text: str,
        size: float,
        *,
        mono: bool = False,
        bold: bool = False,
        muted: bool = False,
        middle: bool = False,
    ) -> None:
        family = _MONO if mono else _SANS
        weight = ' font-weight="600"' if bold else ""
        anchor = ' text-anchor="middle"' if middle else ""
        css, fill = ("muted", "#5b6672") if muted else ("ink", "#1b2027")
        self.out.append(
            f'<text class="{css}" x="{_n(x)}" y="{_n(y)}" font-family="{family}" font-size="{_n(size)}"{weight}{anchor} '
            f'fill="{fill}">{_shown(clean(text))}</text>'
        )


BOX_CORNER = 21.0


def _path(points: list[tuple[float, float]]) -> str:
    """Straight through rows, an S-curve between them."""
    (x, y), *rest = points
    parts = [f"M{_n(x)} {_n(y)}"]
    for index, (to_x, to_y) in enumerate(rest):
        if index % 2 == 0 or abs(to_x - x) < 0.05:
            parts.append(f"L{_n(to_x)} {_n(to_y)}")
        else:
            middle = (y + to_y) / 2
            parts.append(f"C{_n(x)} {_n(middle)} {_n(to_x)} {_n(middle)} {_n(to_x)} {_n(to_y)}")
        x, y = to_x, to_y
    return " ".join(parts)


def _n(number: float) -> str:
    return f"{number:.1f}".removesuffix(".0")


def _shown(text: str) -> str:
    return escape(text)


def _attribute(text: str) -> str:
    return quoteattr(clean(text))
