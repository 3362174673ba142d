"""A laid-out task as SVG."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from itertools import pairwise

from composer.cli.picture.colors import PLAIN
from composer.cli.picture.drawing import Box, Drawing, Edge
from composer.cli.picture.layout import BOX_HEIGHT, LABEL_HEIGHT, MARGIN, Layout, Spot, lay_out

__all__ = ["svg_document", "svg_group"]

HEAD = 44.0
LEGEND = 26.0
STYLE = """
text { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; fill: #0f172a; }
.title { font-size: 16px; font-weight: 700; }
.summary, .legend { font-size: 12px; fill: #475569; }
.name { font-size: 12.5px; font-weight: 700; text-anchor: middle; }
.detail { font-size: 11px; fill: #475569; text-anchor: middle; }
.type { font-size: 11px; fill: #334155; text-anchor: middle; }
.port { font-size: 10.5px; fill: #64748b; font-style: italic; text-anchor: middle; }
.line { fill: none; stroke: #64748b; stroke-width: 1.3; }
.training { stroke-dasharray: 5 4; }
""".strip()

Colors = Mapping[str, tuple[str, str]]


def svg_document(drawings: list[Drawing], colors: Colors) -> str:
    """All tasks below each other in one file."""
    groups, y, width = [], 0.0, 0.0
    for drawing in drawings:
        group, group_width, height = svg_group(drawing, colors)
        groups.append(f'<g transform="translate(0 {y:.1f})">\n{group}\n</g>')
        y += height + MARGIN
        width = max(width, group_width)
    marker = (
        '<marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0 L8 4 L0 8 z" fill="#64748b"/></marker>'
    )
    size = f'width="{width:.0f}" height="{y:.0f}" viewBox="0 0 {width:.0f} {y:.0f}"'
    body = "\n".join(groups)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size}>\n<style>{STYLE}</style>\n<defs>{marker}</defs>\n'
        f'<rect width="100%" height="100%" fill="#ffffff"/>\n{body}\n</svg>\n'
    )


def svg_group(drawing: Drawing, colors: Colors) -> tuple[str, float, float]:
    """One task with its title and the legend of its modules; returns the text, the width and the height."""
    layout = lay_out(drawing)
    used = list(dict.fromkeys(box.module for box in drawing.boxes if box.module is not None))
    parts = [f'<text class="title" x="{MARGIN}" y="26">{escape(drawing.title)}</text>']
    top = HEAD
    if drawing.summary:
        parts.append(f'<text class="summary" x="{MARGIN}" y="44">{escape(drawing.summary)}</text>')
        top += 14
    legend, legend_width = _legend(used, drawing, colors, top)
    parts += legend
    inner = [_edge(edge, keys, layout) for edge, keys in layout.paths]
    inner += [_label(spot) for spot in layout.spots.values() if spot.label is not None]
    inner += [_box(spot.box, spot, colors) for spot in layout.spots.values() if spot.box is not None]
    offset = top + (LEGEND if used else 0)
    parts.append(f'<g transform="translate(0 {offset:.1f})">\n' + "\n".join(inner) + "\n</g>")
    texts = max(len(drawing.title) * 10.0, len(drawing.summary) * 7.3) + 2 * MARGIN
    return "\n".join(parts), max(layout.width, legend_width, texts), layout.height + offset


def _legend(used: list[str], drawing: Drawing, colors: Colors, top: float) -> tuple[list[str], float]:
    """A colour sample per module; a module that is called more than once says so, for its weights are shared."""
    parts, x = [], MARGIN
    for name in used:
        calls = sum(box.module == name for box in drawing.boxes)
        text = f"{name} (shared by {calls} calls)" if calls > 1 else name
        fill, line = colors[name]
        parts.append(
            f'<rect x="{x:.1f}" y="{top:.1f}" width="12" height="12" rx="3" fill="{fill}" stroke="{line}"/>'
        )
        parts.append(f'<text class="legend" x="{x + 18:.1f}" y="{top + 10:.1f}">{escape(text)}</text>')
        x += 18 + len(text) * 7.3 + 22
    return parts, x


def _box(box: Box, spot: Spot, colors: Colors) -> str:
    fill, line = colors[box.module] if box.module is not None else PLAIN
    round_ = {"input": BOX_HEIGHT / 2, "output": BOX_HEIGHT / 2}.get(box.kind, 7.0)
    stroke = 2.4 if box.kind == "generate" else 1.4
    classes = ' class="training"' if box.training else ""
    x, y = spot.x - spot.width / 2, spot.y - BOX_HEIGHT / 2
    return (
        f"<g><title>{escape(f'{box.title}: {box.detail}')}</title>"
        f'<rect{classes} x="{x:.1f}" y="{y:.1f}" width="{spot.width:.1f}" height="{BOX_HEIGHT:.0f}" rx="{round_:.0f}" '
        f'fill="{fill}" stroke="{line}" stroke-width="{stroke}"/>'
        f'<text class="name" x="{spot.x:.1f}" y="{spot.y - 4:.1f}">{escape(box.title)}</text>'
        f'<text class="detail" x="{spot.x:.1f}" y="{spot.y + 13:.1f}">{escape(box.detail)}</text></g>'
    )


def _label(spot: Spot) -> str:
    edge = spot.label
    assert edge is not None
    x, y = spot.x - spot.width / 2, spot.y - LABEL_HEIGHT / 2
    middle = spot.y if edge.port else spot.y + 4
    rows = [f'<text class="type" x="{spot.x:.1f}" y="{middle:.1f}">{escape(edge.label)}</text>']
    if edge.port:
        rows.append(f'<text class="port" x="{spot.x:.1f}" y="{spot.y + 12:.1f}">{escape(edge.port)}</text>')
    back = (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{spot.width:.1f}" height="{LABEL_HEIGHT:.0f}" fill="#ffffff"/>'
    )
    return back + "".join(rows)


def _edge(edge: Edge, keys: list[str], layout: Layout) -> str:
    """A smooth line through the spots of an edge, upright at each of them."""
    points = [(spot.x, spot.y) for spot in map(layout.spots.__getitem__, keys)]
    points[0] = (_port(edge, edge.source, layout, leaving=True), points[0][1] + BOX_HEIGHT / 2)
    points[-1] = (_port(edge, edge.target, layout, leaving=False), points[-1][1] - BOX_HEIGHT / 2 - 1)
    path = f"M{points[0][0]:.1f} {points[0][1]:.1f}"
    for (x0, y0), (x1, y1) in pairwise(points):
        bend = (y1 - y0) / 2
        path += f" C{x0:.1f} {y0 + bend:.1f} {x1:.1f} {y1 - bend:.1f} {x1:.1f} {y1:.1f}"
    return f'<path class="line" d="{path}" marker-end="url(#arrow)"/>'


def _port(edge: Edge, name: str, layout: Layout, *, leaving: bool) -> float:
    """Where an edge leaves or enters a box: the edges of one side stand side by side in the order of their ways."""
    spot = layout.spots[name]
    side = [
        (layout.spots[keys[1 if leaving else -2]].x, index)
        for index, (other, keys) in enumerate(layout.paths)
        if (other.source if leaving else other.target) == name
    ]
    own = next(index for index, (other, _) in enumerate(layout.paths) if other is edge)
    place = [index for _, index in sorted(side)].index(own)
    return spot.x + spot.width * ((place + 1) / (len(side) + 1) - 0.5)
