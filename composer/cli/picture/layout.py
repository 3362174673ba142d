"""Places for the boxes of a drawing: rows from top to bottom, few crossings, straight lines where there is room.

The usual four steps for layered graphs (Sugiyama, Tagawa and Toda, 1981): rows by longest path, a stand-in in every row
that an edge passes, order within rows by the mean place of the neighbours, then columns. Every edge label is a
stand-in with a width of its own, in a row between two rows of boxes, so that no label ever covers anything.
"""

from __future__ import annotations

import random
from bisect import bisect_right, insort
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import networkx as nx

from composer.cli.picture.drawing import Box, Drawing, Edge
from composer.problems.render.cells import width_of

__all__ = ["Layout", "Spot", "lay_out"]

LETTER, BOX_HEIGHT, LABEL_HEIGHT = 7.0, 44.0, 30.0
PAD, GAP, MARGIN = 24.0, 26.0, 20.0
SWEEPS, STARTS, PULLS = 12, 16, 60


@dataclass
class Spot:
    """Something that takes room in a row: a box, an edge's label, or the bend of an edge."""

    row: int
    width: float
    box: Box | None = None
    label: Edge | None = None
    x: float = 0.0
    y: float = 0.0


@dataclass
class Layout:
    """Where everything is. `paths` gives, per edge, the keys of the spots that it goes through, both ends included."""

    spots: dict[str, Spot]
    paths: list[tuple[Edge, list[str]]]
    width: float = 0.0
    height: float = 0.0
    rows: list[list[str]] = field(default_factory=list)


def lay_out(drawing: Drawing) -> Layout:
    """Place every box and label of a drawing; coordinates are centres, from the top left corner."""
    ranks = _ranks(drawing)
    spots = {
        box.name: Spot(2 * ranks[box.name], _text_width(box.title, box.detail) + PAD, box=box)
        for box in drawing.boxes
    }
    paths = [(edge, _path(index, edge, spots)) for index, edge in enumerate(drawing.edges)]
    graph = nx.DiGraph()
    graph.add_nodes_from(spots)
    for _, keys in paths:
        nx.add_path(graph, keys)
    rows: list[list[str]] = [[] for _ in range(max((s.row for s in spots.values()), default=0) + 1)]
    for key in nx.lexicographical_topological_sort(graph, key=list(spots).index):
        rows[spots[key].row].append(key)
    rows = _ordered(rows, graph)
    layout = Layout(spots, paths, rows=rows)
    _columns(layout, graph)
    _lines(layout)
    return layout


def _ranks(drawing: Drawing) -> dict[str, int]:
    """Longest path from the top; then what has room below moves down to its first reader (a late input, say)."""
    graph = nx.DiGraph()
    graph.add_nodes_from(box.name for box in drawing.boxes)
    graph.add_edges_from((edge.source, edge.target) for edge in drawing.edges)
    ranks = {name: row for row, names in enumerate(nx.topological_generations(graph)) for name in names}
    for name in reversed(list(nx.topological_sort(graph))):
        if not graph.in_degree(name) and graph.out_degree(name):
            ranks[name] = min(ranks[reader] for reader in graph.successors(name)) - 1
    return ranks


def _text_width(*texts: str) -> float:
    return max(width_of(text) for text in texts) * LETTER


def _path(index: int, edge: Edge, spots: dict[str, Spot]) -> list[str]:
    """The spots of an edge: its label in the first row below its source, a bend in each further row."""
    first, last = spots[edge.source].row, spots[edge.target].row
    keys = [edge.source]
    for row in range(first + 1, last):
        key = f"edge {index} row {row}"
        if row == first + 1:
            spots[key] = Spot(row, _text_width(edge.label, edge.port) + 8, label=edge)
        else:
            spots[key] = Spot(row, 8.0)
        keys.append(key)
    return [*keys, edge.target]


def _ordered(rows: list[list[str]], graph: nx.DiGraph) -> list[list[str]]:
    """Order each row by the mean place of its neighbours above, then below, again and again; the best order is kept.

    Sorting by means gets stuck where a different start would not, so a few starts are tried, always the same ones.
    """
    best, fewest = rows, _crossings(rows, graph)
    for start in range(STARTS):
        current = [list(row) for row in rows]
        if start:
            shuffle = random.Random(start).shuffle
            for row in current:
                shuffle(row)
        for sweep in range(SWEEPS):
            if not fewest:
                return best
            _sweep(current, graph, down=sweep % 2 == 0)
            count = _crossings(current, graph)
            if count < fewest:
                best, fewest = [list(row) for row in current], count
    return best


def _sweep(rows: list[list[str]], graph: nx.DiGraph, *, down: bool) -> None:
    near = graph.predecessors if down else graph.successors
    for index in range(1, len(rows)) if down else range(len(rows) - 2, -1, -1):
        fixed = {key: place for place, key in enumerate(rows[index - 1 if down else index + 1])}
        rows[index] = _by_neighbours(rows[index], fixed, near)


def _by_neighbours(
    row: list[str], fixed: Mapping[str, int], near: Callable[[str], Iterator[str]]
) -> list[str]:
    """A row sorted by the mean place of each spot's neighbours; a spot without any keeps its place."""
    means = {}
    for place, key in enumerate(row):
        places = [fixed[other] for other in near(key) if other in fixed]
        means[key] = sum(places) / len(places) if places else float(place)
    return sorted(row, key=means.__getitem__)


def _crossings(rows: Sequence[Sequence[str]], graph: nx.DiGraph) -> int:
    """The number of pairs of lines that cross between neighbouring rows."""
    total = 0
    for upper, lower in pairwise(rows):
        places = {key: place for place, key in enumerate(lower)}
        seen: list[int] = []  # places where the lines drawn so far end, sorted
        for key in upper:
            ends = sorted(places[reader] for reader in graph.successors(key))
            total += sum(len(seen) - bisect_right(seen, end) for end in ends)
            for end in ends:
                insort(seen, end)
    return total


def _columns(layout: Layout, graph: nx.DiGraph) -> None:
    """Columns: packed first, then pulled towards the neighbours as far as the row leaves room."""
    spots = layout.spots
    for row in layout.rows:
        x = 0.0
        for key in row:
            spots[key].x = x + spots[key].width / 2
            x += spots[key].width + GAP
    for sweep in range(PULLS):
        order = layout.rows if sweep % 2 == 0 else layout.rows[::-1]
        for row in order:
            wanted = [_mean(spots[n].x for n in nx.all_neighbors(graph, key)) for key in row]
            _spread(row, [spots[k].x if w is None else w for k, w in zip(row, wanted, strict=True)], spots)
    left = min((spot.x - spot.width / 2 for spot in spots.values()), default=0.0)
    for spot in spots.values():
        spot.x += MARGIN - left
    layout.width = max((spot.x + spot.width / 2 for spot in spots.values()), default=0.0) + MARGIN


def _mean(values: Iterable[float]) -> float | None:
    known = list(values)
    return sum(known) / len(known) if known else None


def _spread(row: list[str], wanted: list[float], spots: Mapping[str, Spot]) -> None:
    """Give each spot of a row the column it wants, as near as its neighbours let it: groups that touch move as one."""
    groups: list[tuple[list[int], float]] = []  # members, and the column of the first one's centre
    for index in range(len(row)):
        group, start = [index], wanted[index]
        while groups:
            before, before_start = groups[-1]
            room = before_start + sum(_step(row, i, spots) for i in before)
            if room <= start:
                break
            groups.pop()
            group = before + group
            offsets = [sum(_step(row, i, spots) for i in group[:k]) for k in range(len(group))]
            start = sum(wanted[i] - offset for i, offset in zip(group, offsets, strict=True)) / len(group)
        groups.append((group, start))
    for group, start in groups:
        x = start
        for index in group:
            spots[row[index]].x = x
            x += _step(row, index, spots)


def _step(row: list[str], index: int, spots: Mapping[str, Spot]) -> float:
    """The least distance between the centres of a spot and the next one of its row."""
    if index + 1 >= len(row):
        return 0.0
    return (spots[row[index]].width + spots[row[index + 1]].width) / 2 + GAP


def _lines(layout: Layout) -> None:
    """Heights of the rows, from the top."""
    y = MARGIN
    for index, row in enumerate(layout.rows):
        height = BOX_HEIGHT if index % 2 == 0 else LABEL_HEIGHT + 38.0
        for key in row:
            layout.spots[key].y = y + height / 2
        y += height
    layout.height = y + MARGIN
