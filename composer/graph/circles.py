"""Nodes that wait for each other: each circle told once, beginning where the author wrote it first (C210)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import networkx as nx

from composer.graph.wires import Wires
from composer.language import Tree
from composer.problems import Place, Problem

__all__ = ["Circle", "circles"]


@dataclass(frozen=True)
class Circle:
    """All nodes that depend on each other, and the problem that tells one way around."""

    names: frozenset[str]
    problem: Problem


def circles(
    wires: Wires, rank: Mapping[str, int], tree: Tree, *, of_pieces: bool = False
) -> Iterator[Circle]:
    """Every circle of a task, or of pieces that use each other; `rank` is the position of a name in the file."""
    graph = wires.graph()
    for component in nx.strongly_connected_components(graph):
        inner = graph.subgraph(component)
        if inner.number_of_edges():
            told = _of_pieces if of_pieces else _problem
            yield Circle(frozenset(component), told(*_steps(inner, rank, tree)))


def _steps(component: nx.MultiDiGraph, rank: Mapping[str, int], tree: Tree) -> tuple[list[str], Place]:
    """One way around, and the place that closes it."""
    edges = nx.find_cycle(component, min(component, key=rank.__getitem__))
    steps = [edge[0] for edge in edges]
    first = steps.index(min(steps, key=rank.__getitem__))
    steps = steps[first:] + steps[:first]
    closing = component.get_edge_data(steps[-1], steps[0])[0]
    return steps, tree.place(closing["path"])


def _of_pieces(steps: list[str], place: Place) -> Problem:
    message = f"these pieces use each other: {' → '.join([*steps, steps[0]])}"
    helps = ("a piece stands for the nodes inside of it, so it cannot hold itself",)
    return Problem("C228", "error", message, place, f"`{steps[-1]}` uses `{steps[0]}`", helps=helps)


def _problem(steps: list[str], place: Place) -> Problem:
    message = f"these nodes wait for each other: {' → '.join([*steps, steps[0]])}"
    return Problem("C210", "error", message, place, f"`{steps[0]}` waits for `{steps[-1]}`")
