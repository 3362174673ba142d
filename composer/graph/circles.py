"""Nodes that wait for each other: each circle told once, beginning where the author wrote it first (C210)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import networkx as nx

from composer.graph.wires import Wires
from composer.language import Tree
from composer.problems import Problem

__all__ = ["Circle", "circles"]


@dataclass(frozen=True)
class Circle:
    """All nodes that depend on each other, and the problem that tells one way around."""

    names: frozenset[str]
    problem: Problem


def circles(wires: Wires, rank: Mapping[str, int], tree: Tree) -> Iterator[Circle]:
    """Every circle of a task; `rank` is the position of a name in the file."""
    graph = wires.graph()
    for component in nx.strongly_connected_components(graph):
        inner = graph.subgraph(component)
        if inner.number_of_edges():
            yield Circle(frozenset(component), _problem(inner, rank, tree))


def _problem(component: nx.MultiDiGraph, rank: Mapping[str, int], tree: Tree) -> Problem:
    edges = nx.find_cycle(component, min(component, key=rank.__getitem__))
    steps = [edge[0] for edge in edges]
    first = steps.index(min(steps, key=rank.__getitem__))
    steps = steps[first:] + steps[:first]
    closing = component.get_edge_data(steps[-1], steps[0])[0]
    message = f"these nodes wait for each other: {' → '.join([*steps, steps[0]])}"
    place = tree.place(closing["path"])
    return Problem("C210", "error", message, place, f"`{steps[0]}` waits for `{steps[-1]}`")
