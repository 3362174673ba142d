"""Order within rows: barycentre sweeps and swaps of neighbours, until edges cross as little as was found.

Source: Sugiyama, Tagawa, Toda, "Methods for visual understanding of hierarchical system structures", 1981.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Mapping, Sequence
from itertools import pairwise

from composer.views.picture.layering import Cell, Layered

__all__ = ["crossings", "order_rows"]

_SWEEPS = 16
_SWAP_LIMIT = 40
"""Rows beyond this many cells are swept, but their neighbours are not tried in pairs."""


def order_rows(layout: Layered) -> None:
    """Reorder `layout.rows` in place; the best order found wins, the author's order among equals."""
    between = _edges(layout)
    best, fewest = [list(row) for row in layout.rows], _total(layout.rows, between)
    for sweep in range(_SWEEPS):
        if fewest == 0:
            break
        _sweep(layout.rows, between, down=sweep % 2 == 0)
        _swap_neighbours(layout.rows, between)
        found = _total(layout.rows, between)
        if found < fewest:
            best, fewest = [list(row) for row in layout.rows], found
    layout.rows[:] = best


def crossings(upper: Sequence[Cell], lower: Sequence[Cell], edges: Sequence[tuple[Cell, Cell]]) -> int:
    """How often the straight edges between two ordered rows cross."""
    above = {cell: index for index, cell in enumerate(upper)}
    below = {cell: index for index, cell in enumerate(lower)}
    seen: list[int] = []
    count = 0
    for _, end in sorted((above[a], below[b]) for a, b in edges):
        count += len(seen) - bisect_right(seen, end)
        insort(seen, end)
    return count


def _edges(layout: Layered) -> list[list[tuple[Cell, Cell]]]:
    """Edges between row i and row i + 1."""
    position = {(index, cell) for index, row in enumerate(layout.rows) for cell in row}
    first = {
        cell: index for index, row in reversed(list(enumerate(layout.rows))) for cell in row if cell[1] < 0
    }
    between: list[list[tuple[Cell, Cell]]] = [[] for _ in layout.rows]
    for path in layout.paths:
        start = first[path[0]]
        for offset, (upper, lower) in enumerate(pairwise(path)):
            assert (start + offset, upper) in position
            between[start + offset].append((upper, lower))
    return between


def _total(rows: list[list[Cell]], between: list[list[tuple[Cell, Cell]]]) -> int:
    return sum(crossings(rows[i], rows[i + 1], between[i]) for i in range(len(rows) - 1))


def _sweep(rows: list[list[Cell]], between: list[list[tuple[Cell, Cell]]], *, down: bool) -> None:
    indices = range(1, len(rows)) if down else range(len(rows) - 2, -1, -1)
    for index in indices:
        fixed = rows[index - 1 if down else index + 1]
        edges = between[index - 1] if down else between[index]
        place = {cell: number for number, cell in enumerate(fixed)}
        neighbours: dict[object, list[int]] = {}
        for upper, lower in edges:
            cell, other = (lower, upper) if down else (upper, lower)
            neighbours.setdefault(cell, []).append(place[other])
        rows[index] = _by_barycentre(rows[index], neighbours)


def _by_barycentre(row: list[Cell], neighbours: Mapping[object, list[int]]) -> list[Cell]:
    """Cells by the mean place of their neighbours; those without any stay where they are."""
    centre = {cell: sum(found) / len(found) for cell, found in neighbours.items()}
    moving = iter(sorted((cell for cell in row if cell in centre), key=lambda cell: centre[cell]))
    return [next(moving) if cell in centre else cell for cell in row]


def _swap_neighbours(rows: list[list[Cell]], between: list[list[tuple[Cell, Cell]]]) -> None:
    for index, row in enumerate(rows):
        if len(row) > _SWAP_LIMIT:
            continue
        for left in range(len(row) - 1):
            before = _around(rows, between, index)
            row[left], row[left + 1] = row[left + 1], row[left]
            if _around(rows, between, index) >= before:
                row[left], row[left + 1] = row[left + 1], row[left]


def _around(rows: list[list[Cell]], between: list[list[tuple[Cell, Cell]]], index: int) -> int:
    above = crossings(rows[index - 1], rows[index], between[index - 1]) if index else 0
    below = crossings(rows[index], rows[index + 1], between[index]) if index + 1 < len(rows) else 0
    return above + below
