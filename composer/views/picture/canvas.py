"""SVG elements as text: every value escaped, every number short."""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import escape, quoteattr

from composer.problems.render.cells import clean
from composer.views.picture.placing import Rect

__all__ = ["Canvas", "attribute", "number"]

_MONO = "ui-monospace, 'DejaVu Sans Mono', Menlo, 'Liberation Mono', monospace"
_SANS = "system-ui, 'DejaVu Sans', 'Segoe UI', sans-serif"
_INK, _MUTED, _EDGE = "#1b2027", "#5b6672", "#5b6672"

DARK = (
    ".page { fill: #14171c }",
    ".ink { fill: #e8ebef }",
    ".muted { fill: #a3adba }",
    ".edge { stroke: #8d98a6 }",
    ".tip { fill: #8d98a6 }",
    ".band { fill: #1c2129; stroke: #39424e }",
    ".label { fill: #14171c; stroke: #4a5561 }",
    ".plain { fill: #14171c; stroke: #8b97a5 }",
)
"""What the classes look like on a dark page; on a light one the elements' own attributes count."""


class Canvas:
    """Collects elements. Colours are written as attributes, so that readers without style sheets show them too."""

    def __init__(self) -> None:
        self.elements: list[str] = []

    def add(self, text: str) -> None:
        self.elements.append(text)

    def rect(
        self,
        css: str,
        area: Rect,
        *,
        fill: str,
        line: str,
        corner: float,
        dashed: bool = False,
        bold: bool = True,
    ) -> None:
        position = f'x="{number(area.x)}" y="{number(area.y)}"'
        size = f'width="{number(area.width)}" height="{number(area.height)}" rx="{number(corner)}"'
        stroke = f'stroke="{line}"' + (' stroke-width="1.4"' if bold else "")
        dashes = ' stroke-dasharray="4 3"' if dashed else ""
        self.add(f'<rect class="{css}" {position} {size} fill="{fill}" {stroke}{dashes}/>')

    def text(
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
        css, fill = ("muted", _MUTED) if muted else ("ink", _INK)
        style = f'font-family="{_MONO if mono else _SANS}" font-size="{number(size)}"'
        style += (' font-weight="600"' if bold else "") + (' text-anchor="middle"' if middle else "")
        self.add(
            f'<text class="{css}" x="{number(x)}" y="{number(y)}" {style} fill="{fill}">{escape(clean(text))}</text>'
        )

    def title(self, lines: Sequence[str]) -> None:
        """What browsers show when the pointer rests on the group."""
        self.add(f"<title>{escape(chr(10).join(map(clean, lines)))}</title>")

    def edge(self, source: str, target: str, points: Sequence[tuple[float, float]]) -> None:
        ends = f"data-from={attribute(source)} data-to={attribute(target)}"
        style = f'fill="none" stroke="{_EDGE}" stroke-width="1.4" marker-end="url(#tip)"'
        self.add(f'<path class="edge" {ends} d="{_path(points)}" {style}/>')

    def svg(self, width: float, height: float, label: str, dark: Sequence[str]) -> str:
        """The whole file; `dark` holds rules besides `DARK`."""
        size = f'width="{number(width)}" height="{number(height)}" viewBox="0 0 {number(width)} {number(height)}"'
        head = [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label={attribute(label)}>',
            f"<style>@media (prefers-color-scheme: dark) {{ {' '.join((*DARK, *dark))} }}</style>",
            '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="9.8" markerHeight="9.8" '
            'markerUnits="userSpaceOnUse" orient="auto">'
            f'<path class="tip" d="M0 0.8 L8 4 L0 7.2 z" fill="{_EDGE}"/></marker></defs>',
            f'<rect class="page" width="{number(width)}" height="{number(height)}" fill="#ffffff"/>',
        ]
        return "\n".join([*head, *self.elements, "</svg>\n"])


def _path(points: Sequence[tuple[float, float]]) -> str:
    """Straight through rows, an S-curve between them."""
    (x, y), *rest = points
    parts = [f"M{number(x)} {number(y)}"]
    for index, (to_x, to_y) in enumerate(rest):
        if index % 2 == 0 or abs(to_x - x) < 0.05:
            parts.append(f"L{number(to_x)} {number(to_y)}")
        else:
            middle = number((y + to_y) / 2)
            parts.append(f"C{number(x)} {middle} {number(to_x)} {middle} {number(to_x)} {number(to_y)}")
        x, y = to_x, to_y
    return " ".join(parts)


def number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def attribute(text: str) -> str:
    """An attribute's value in quotes."""
    return quoteattr(clean(text))
