"""Positions: boxes above one another where edges join them, never overlapping, and the points that edges go through."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from composer.problems.render.cells import width_of
from composer.views.picture.layering import Cell, Layered, layered
from composer.views.picture.ordering import order_rows
from composer.views.picture.scene import Box, Group, Link, Scene

__all__ = ["BOX_HEIGHT", "LABEL_HEIGHT", "Placed", "Rect", "areas_of", "place", "text_width"]

CHARACTER = 0.61
"""Width of a character of the usual monospaced fonts, over the font's size."""
TITLE_SIZE, SUBTITLE_SIZE, LABEL_SIZE, PORT_SIZE, NOTE_SIZE = 13.0, 11.0, 10.0, 9.0, 10.0
BOX_HEIGHT, LABEL_HEIGHT, PORT_HEIGHT, NOTE_HEIGHT = 42.0, 18.0, 12.0, 16.0
ROW_GAP, BAND_GAP, BOX_GAP, PASSAGE_GAP = 40.0, 58.0, 34.0, 22.0
MARGIN = 84.0
"""Room left of the boxes, for the names of the bands."""
_ROUNDS = 12


@dataclass(frozen=True)
class Rect:
    """A rectangle by its left top corner."""

    x: float
    y: float
    width: float
    height: float

    @property
    def right(self) -> float:
        return self.x + self.width

    @property
    def bottom(self) -> float:
        return self.y + self.height


@dataclass
class Placed:
    """A scene with positions. `boxes` hold the coloured parts; the labels of their ports stand below them."""

    scene: Scene
    boxes: dict[str, Rect]
    below: dict[tuple[str, str], Rect]
    """Label of an output port."""
    above: dict[tuple[str, str], float]
    """Where along the top of its box an input port lies."""
    routes: list[list[tuple[float, float]]]
    """The points of each link, each pair joined by a curve (between rows) or a straight line (through a row)."""
    bands: list[Rect] = field(default_factory=list)
    width: float = 0.0
    height: float = 0.0


def text_width(text: str, size: float) -> float:
    return width_of(text) * size * CHARACTER


def place(scene: Scene) -> Placed:
    """Lay a scene out from top to bottom."""
    layout = layered(scene)
    order_rows(layout)
    centres = _Centres(scene, layout)
    centres.settle()
    return _placed(scene, layout, centres)


def box_width(box: Box) -> float:
    """Wide enough for its text, for the labels below it and for the port names on its top."""
    below = sum(text_width(label, LABEL_SIZE) + 12 for label in box.below.values()) + 8 * max(
        len(box.below) - 1, 0
    )
    above = sum(text_width(port, PORT_SIZE) + 14 for port in box.above) if len(box.above) > 1 else 0
    lines = ((box.title, TITLE_SIZE), (box.subtitle, SUBTITLE_SIZE), (box.note, NOTE_SIZE))
    text = max(text_width(line, size) for line, size in lines) + 28
    return max(88.0, text, below, above)


def _spread(widths: Sequence[float], gap: float) -> list[float]:
    """Centres of things of these widths side by side, around zero."""
    total = sum(widths) + gap * max(len(widths) - 1, 0)
    centres, x = [], -total / 2
    for width in widths:
        centres.append(x + width / 2)
        x += width + gap
    return centres


class _Centres:
    """The horizontal centre of every cell, found by moving each row towards its neighbours in turn."""

    def __init__(self, scene: Scene, layout: Layered) -> None:
        self.scene, self.layout = scene, layout
        self.widths = {name: box_width(box) for name, box in scene.boxes.items()}
        self.x: dict[tuple[int, Cell], float] = {}
        self.first_row = {cell: i for i, row in enumerate(layout.rows) for cell in row if cell[1] < 0}
        self.links = [
            (link, path, self.first_row[path[0]])
            for link, path in zip(scene.links, layout.paths, strict=True)
        ]
        self.passing: list[list[tuple[Link, list[Cell], int]]] = [[] for _ in layout.rows]
        for link, path, start in self.links:
            for here in range(len(path)):
                self.passing[start + here].append((link, path, here))
        for index, row in enumerate(layout.rows):
            centres = _spread([self._width(cell) for cell in row], BOX_GAP)
            self.x.update({(index, cell): x for cell, x in zip(row, centres, strict=True)})
        self.sort_ports()

    def settle(self) -> None:
        rows = range(len(self.layout.rows))
        for turn in range(_ROUNDS):
            self.sort_ports()
            for index in rows if turn % 2 == 0 else reversed(rows):
                both = turn >= _ROUNDS - 2
                self._move(index, up=turn % 2 == 0 or both, down=turn % 2 == 1 or both)
        self.sort_ports()
        for index in rows:  # what hangs on one edge alone hangs straight below it
            self._move(index, up=True, down=False, alone=True)
        for index in reversed(rows):
            self._move(index, up=False, down=True, alone=True)

    def sort_ports(self) -> None:
        """Ports in the order of what they are joined to, so that edges of one box do not cross without need."""
        below: dict[tuple[str, str], list[float]] = {}
        above: dict[tuple[str, str], list[float]] = {}
        for link, path, start in self.links:
            there = self.x[start + 1, path[1]] + self._arriving(link, path, 1)
            below.setdefault((link.source, link.source_port), []).append(there)
        for box in self.scene.boxes.values():
            centre = {port: _mean(below[box.name, port]) for port in box.below}
            box.below = {port: box.below[port] for port in sorted(centre, key=centre.__getitem__)}
        for link, path, start in self.links:
            at = len(path) - 2
            there = self.x[start + at, path[at]] + self._leaving(link, at)
            above.setdefault((link.target, link.target_port), []).append(there)
        for box in self.scene.boxes.values():
            centre = {port: _mean(above[box.name, port]) for port in box.above}
            box.above.sort(key=centre.__getitem__)

    def offset_above(self, box: Box, port: str) -> float:
        """Where an input port lies, from the centre of its box."""
        count = len(box.above)
        widths = [text_width(p, PORT_SIZE) + 14 for p in box.above]
        spare = (self.widths[box.name] - sum(widths)) / count
        return _spread([width + spare for width in widths], 0)[box.above.index(port)] if count > 1 else 0.0

    def offset_below(self, box: Box, port: str) -> float:
        ports = list(box.below)
        widths = [text_width(box.below[p], LABEL_SIZE) + 12 for p in ports]
        return _spread(widths, 8)[ports.index(port)]

    def _move(self, index: int, *, up: bool, down: bool, alone: bool = False) -> None:
        """Move the cells of a row towards the ends of their edges; with `alone`, only those with one edge that way."""
        wishes: dict[Cell, list[tuple[float, float]]] = {}
        for link, path, here in self.passing[index]:
            cell = path[here]
            weight = 4.0 if cell[1] >= 0 else 1.0  # a long edge should above all be straight
            if up and here > 0:
                there = self.x[index - 1, path[here - 1]] + self._leaving(link, here - 1)
                wishes.setdefault(cell, []).append((there - self._arriving(link, path, here), weight))
            if down and here + 1 < len(path):
                there = self.x[index + 1, path[here + 1]] + self._arriving(link, path, here + 1)
                wishes.setdefault(cell, []).append((there - self._leaving(link, here), weight))
        row = self.layout.rows[index]
        desired, weights = [], []
        for cell in row:
            found = wishes.get(cell, [])
            if alone and (len(found) != 1 or (down and self._hangs(cell, index))):
                desired.append(self.x[index, cell])
                weights.append(1000.0)
                continue
            total = sum(weight for _, weight in found)
            desired.append(sum(x * weight for x, weight in found) / total if total else self.x[index, cell])
            weights.append(total or 0.1)
        self.x.update(
            {(index, cell): x for cell, x in zip(row, self._separated(row, desired, weights), strict=True)}
        )

    def _hangs(self, cell: Cell, index: int) -> bool:
        """Whether an edge comes to the cell from above."""
        return any(path[here] == cell and here > 0 for _, path, here in self.passing[index])

    def _leaving(self, link: Link, at: int) -> float:
        """Where the part of a link below its cell `at` begins, from the cell's centre."""
        return self.offset_below(self.scene.boxes[link.source], link.source_port) if at == 0 else 0.0

    def _arriving(self, link: Link, path: list[Cell], at: int) -> float:
        """Where the part of a link above its cell `at` ends, from the cell's centre."""
        last = at == len(path) - 1
        return self.offset_above(self.scene.boxes[link.target], link.target_port) if last else 0.0

    def _separated(self, row: list[Cell], desired: list[float], weights: list[float]) -> list[float]:
        """The positions nearest to the desired ones that keep order and distance (isotonic regression)."""
        offsets = [0.0]
        for left, right in pairwise(row):
            gap = PASSAGE_GAP if left[1] >= 0 or right[1] >= 0 else BOX_GAP
            offsets.append(offsets[-1] + (self._width(left) + self._width(right)) / 2 + gap)
        blocks: list[tuple[float, float, int]] = []  # mean, weight, count
        for wish, offset, weight in zip(desired, offsets, weights, strict=True):
            mean, total, count = wish - offset, weight, 1
            while blocks and blocks[-1][0] > mean:
                before, other, number = blocks.pop()
                mean = (mean * total + before * other) / (total + other)
                total, count = total + other, count + number
            blocks.append((mean, total, count))
        flat = [mean for mean, _, count in blocks for _ in range(count)]
        return [mean + offset for mean, offset in zip(flat, offsets, strict=True)]

    def _width(self, cell: Cell) -> float:
        return self.widths[cell[0]] if cell[1] < 0 else 2.0


def areas_of(placed: Placed, group: Group) -> list[Rect]:
    """Where the ground of a group lies: around all its boxes, or around each where others stand among them."""
    inside = [placed.boxes[name] for name in group.boxes]
    others = [rect for name, rect in placed.boxes.items() if name not in group.boxes]
    deepest = max(other.depth for other in placed.scene.groups)
    room = 6.0 + 4.0 * (deepest - group.depth)
    whole = _around(inside, room)
    if any(_meet(whole, other) for other in others):
        return [_around([rect], room) for rect in inside]
    return [whole]


def _around(rects: Sequence[Rect], room: float) -> Rect:
    left, top = min(r.x for r in rects) - room, min(r.y for r in rects) - room - PORT_HEIGHT + 2
    right, bottom = max(r.right for r in rects) + room, max(r.bottom for r in rects) + LABEL_HEIGHT + room
    return Rect(left, top, right - left, bottom - top)


def _meet(one: Rect, other: Rect) -> bool:
    beside = one.right <= other.x or other.right <= one.x
    return not (beside or one.bottom <= other.y or other.bottom <= one.y)


def _mean(numbers: Sequence[float]) -> float:
    return sum(numbers) / len(numbers)


def _placed(scene: Scene, layout: Layered, centres: _Centres) -> Placed:
    tops, heights = _rows(scene, layout)
    left = min(centres.x[i, c] - centres._width(c) / 2 for i, row in enumerate(layout.rows) for c in row)
    shift = MARGIN - left
    placed = Placed(scene, {}, {}, {}, [])
    for name, box in scene.boxes.items():
        index = centres.first_row[name, -1]
        centre, width = centres.x[index, (name, -1)] + shift, centres.widths[name]
        placed.boxes[name] = Rect(centre - width / 2, tops[index], width, _height(box))
        for port in box.above:
            placed.above[name, port] = centre + centres.offset_above(box, port)
        for port, label in box.below.items():
            size = text_width(label, LABEL_SIZE) + 12
            x = centre + centres.offset_below(box, port) - size / 2
            placed.below[name, port] = Rect(x, placed.boxes[name].bottom, size, LABEL_HEIGHT)
    for link, path in zip(scene.links, layout.paths, strict=True):
        start = centres.first_row[path[0]]
        label_box = placed.below[link.source, link.source_port]
        x = label_box.x + label_box.width / 2
        points = [(x, label_box.bottom), (x, tops[start] + heights[start])]
        for offset in range(1, len(path) - 1):
            row = start + offset
            passage = centres.x[row, path[offset]] + shift
            points += [(passage, tops[row]), (passage, tops[row] + heights[row])]
        points.append((placed.above[link.target, link.target_port], placed.boxes[link.target].y))
        placed.routes.append(points)
    right = (
        max(centres.x[i, c] + centres._width(c) / 2 for i, row in enumerate(layout.rows) for c in row) + shift
    )
    placed.width, placed.height = right + 24, tops[-1] + heights[-1] + 14
    for first, last in layout.band_rows:
        placed.bands.append(
            Rect(8, tops[first] - 14, placed.width - 16, tops[last] + heights[last] - tops[first] + 28)
        )
    return placed


def _rows(scene: Scene, layout: Layered) -> tuple[list[float], list[float]]:
    """Top and height of every row."""
    ends = {last for _, last in layout.band_rows}
    tops, heights, y = [], [], 22.0
    for index, row in enumerate(layout.rows):
        boxes = [scene.boxes[cell[0]] for cell in row if cell[1] < 0]
        height = max((_height(b) + (LABEL_HEIGHT if b.below else 0) for b in boxes), default=0)
        tops.append(y)
        heights.append(height)
        y += height + (BAND_GAP if index in ends else ROW_GAP)
    return tops, heights


def _height(box: Box) -> float:
    """Two lines of text, the port names above them and the note below them."""
    return BOX_HEIGHT + (PORT_HEIGHT if len(box.above) > 1 else 0.0) + (NOTE_HEIGHT if box.note else 0.0)
