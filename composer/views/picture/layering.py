"""Layers: every box gets a row, so that all edges point down and every stage has rows of its own."""

from __future__ import annotations

import networkx as nx

from composer.views.picture.scene import Scene

__all__ = ["Cell", "Layered", "layered"]

Cell = tuple[str, int]
"""A box (`(name, -1)`), or the place where a long edge passes a row (`("", serial number)`)."""


class Layered:
    """Rows of cells, and the edges between neighbouring rows.

    `paths[i]` holds the cells that link `i` of the scene goes through, from its source to its target. Links share no
    cells on the way: each is drawn on its own.
    """

    def __init__(
        self, rows: list[list[Cell]], paths: list[list[Cell]], band_rows: list[tuple[int, int]]
    ) -> None:
        self.rows = rows
        self.paths = paths
        self.band_rows = band_rows
        """First and last row of every band."""


def layered(scene: Scene) -> Layered:
    """Longest-path layering within each band; boxes with more to give than to take move towards what they feed."""
    graph: nx.DiGraph = nx.DiGraph()
    graph.add_nodes_from(scene.boxes)
    graph.add_edges_from((link.source, link.target) for link in scene.links)
    order = list(nx.topological_sort(graph))
    row: dict[str, int] = {}
    band_rows = []
    start = 0
    for band in scene.bands:
        inside = set(band.boxes)
        own = [name for name in order if name in inside]
        for name in own:
            row[name] = max([start, *(row[p] + 1 for p in graph.predecessors(name))])
        last = max(row[name] for name in own)
        for name in reversed(own):
            after = [row[s] - 1 for s in graph.successors(name) if s in inside]
            if after and graph.in_degree(name) < graph.out_degree(name):
                row[name] = max(row[name], min(after))
        band_rows.append((start, last))
        start = last + 1
    return _with_passages(scene, row, band_rows)


def _with_passages(scene: Scene, row: dict[str, int], band_rows: list[tuple[int, int]]) -> Layered:
    rows: list[list[Cell]] = [[] for _ in range(band_rows[-1][1] + 1)]
    for name in scene.boxes:
        rows[row[name]].append((name, -1))
    paths = []
    for index, link in enumerate(scene.links):
        path: list[Cell] = [(link.source, -1)]
        for passed in range(row[link.source] + 1, row[link.target]):
            cell = ("", index)
            rows[passed].append(cell)
            path.append(cell)
        paths.append([*path, (link.target, -1)])
    return Layered(rows, paths, band_rows)
