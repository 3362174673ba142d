"""The course of a run as a picture: losses of its tasks, learning rate, and scores on the way, over the steps."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

from composer.files import replace_file

__all__ = ["draw_curves"]

WIDTH, HEIGHT, LEFT, TOP, BOTTOM, LEGEND = 720, 200, 64, 28, 26, 200
POINTS = 200
"""Most points of a curve; of more steps, each point is a mean."""
COLOURS = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#17becf", "#8c564b", "#e377c2")


@dataclass
class _Panel:
    title: str
    curves: dict[str, list[tuple[float, float]]] = field(default_factory=dict)

    def add(self, name: str, step: float, value: object) -> None:
        if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
            self.curves.setdefault(name, []).append((float(step), float(value)))


def draw_curves(path: Path, lines: Sequence[Mapping[str, Any]], title: str) -> None:
    """Write an SVG of the lines of a run's metrics. Raises InputError where it cannot be written."""
    loss, rate, scores = _Panel("loss"), _Panel("learning rate"), _Panel("validation")
    for line in lines:
        if "loss" in line:
            loss.add(line["task"], line["step"], line["loss"])
            rate.add("lr", line["step"], line["lr"])
        for task, found in line.get("scores", {}).items():
            for name, value in found.items():
                if name != "samples":
                    scores.add(f"{task}.{name}", line["step"], value)
    panels = [panel for panel in (loss, rate, scores) if panel.curves]
    text = _svg(panels, title)
    replace_file(path, lambda file: file.write(text.encode()))


def _svg(panels: Sequence[_Panel], title: str) -> str:
    steps = [step for panel in panels for points in panel.curves.values() for step, _ in points] or [0.0]
    last, tall = max(steps), 30 + len(panels) * (TOP + HEIGHT + BOTTOM)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + LEGEND}" height="{tall}" '
        f'viewBox="0 0 {LEFT + WIDTH + LEGEND} {tall}" font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="{LEFT}" y="20" font-size="15">{escape(title)}</text>',
    ]
    for number, panel in enumerate(panels):
        parts += _panel(panel, 30 + TOP + number * (TOP + HEIGHT + BOTTOM), min(steps), last)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _panel(panel: _Panel, top: float, first: float, last: float) -> list[str]:
    values = [value for points in panel.curves.values() for _, value in points]
    low, high = min(values), max(values)
    if low == high:
        low, high = low - 0.5 * (abs(low) or 1), high + 0.5 * (abs(high) or 1)
    across, up = WIDTH / max(last - first, 1), HEIGHT / (high - low)
    bottom = top + HEIGHT
    parts = [
        f'<text x="{LEFT}" y="{top - 8}" fill="#333">{escape(panel.title)}</text>',
        f'<rect x="{LEFT}" y="{top}" width="{WIDTH}" height="{HEIGHT}" fill="none" stroke="#999"/>',
        *(
            f'<text x="{LEFT - 6}" y="{y + 4}" text-anchor="end" fill="#555">{value:.4g}</text>'
            for y, value in ((top, high), (top + HEIGHT / 2, (low + high) / 2), (bottom, low))
        ),
        f'<text x="{LEFT}" y="{bottom + 16}" fill="#555">step {first:,.0f}</text>',
        f'<text x="{LEFT + WIDTH}" y="{bottom + 16}" text-anchor="end" fill="#555">{last:,.0f}</text>',
    ]
    for number, (name, points) in enumerate(panel.curves.items()):
        colour = COLOURS[number % len(COLOURS)]
        drawn = [
            (LEFT + (step - first) * across, bottom - (value - low) * up) for step, value in _thinned(points)
        ]
        place = " ".join(f"{x:.1f},{y:.1f}" for x, y in drawn)
        parts.append(f'<polyline points="{place}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        if len(drawn) == 1:
            parts.append(f'<circle cx="{drawn[0][0]:.1f}" cy="{drawn[0][1]:.1f}" r="2.5" fill="{colour}"/>')
        parts.append(
            f'<text x="{LEFT + WIDTH + 10}" y="{top + 14 + 16 * number}" fill="{colour}">{escape(name)} '
            f"{points[-1][1]:.4g}</text>"
        )
    return parts


def _thinned(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """At most so many points; each is the mean of those that it stands for."""
    size = -(-len(points) // POINTS)
    parts = [points[start : start + size] for start in range(0, len(points), size)]
    return [(sum(s for s, _ in part) / len(part), sum(v for _, v in part) / len(part)) for part in parts]
