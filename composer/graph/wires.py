"""The wires of a task: which node reads which, in which order they run, and what reaches what.

Order and reach come from the standard library: importing networkx takes longer than all of checking. It is asked where
there is a question for it, such as which nodes wait for each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, NamedTuple

from composer.problems import YamlPath

if TYPE_CHECKING:
    import networkx as nx


__all__ = ["Wire", "Wires"]


class Wire(NamedTuple):
    """One reference: `target` reads `source`, as `text` at `path` says."""

    source: str
    target: str
    path: YamlPath
    text: str


class Wires:
    """Every reference of a task between the names that it knows."""

    def __init__(self, names: Iterable[str], wires: Iterable[Wire]) -> None:
        self._wires = tuple(wires)
        self._sources: dict[str, list[str]] = {name: [] for name in names}
        self._targets: dict[str, list[str]] = {name: [] for name in self._sources}
        for wire in self._wires:
            self._sources[wire.target].append(wire.source)
            self._targets[wire.source].append(wire.target)

    def __contains__(self, name: str) -> bool:
        return name in self._sources

    def __iter__(self) -> Iterator[Wire]:
        return iter(self._wires)

    def is_read(self, name: str) -> bool:
        """Whether anything reads a name."""
        return bool(self._targets[name])

    def before(self, names: Iterable[str]) -> set[str]:
        """The names with all that they read, directly or through others."""
        return _reach(names, self._sources)

    def after(self, names: Iterable[str]) -> set[str]:
        """The names with all that read them, directly or through others."""
        return _reach(names, self._targets)

    def order(self, rank: Callable[[str], int]) -> list[str] | None:
        """The names, each behind what it reads, and of those that could be next the one of the lowest rank.

        None where some wait for each other.
        """
        sorter = TopologicalSorter(self._sources)
        try:
            sorter.prepare()
        except CycleError:
            return None
        found: list[str] = []
        ready = [(rank(name), name) for name in sorter.get_ready()]
        heapify(ready)
        while ready:
            name = heappop(ready)[1]
            found.append(name)
            sorter.done(name)
            for following in sorter.get_ready():
                heappush(ready, (rank(following), following))
        return found

    def graph(self) -> nx.MultiDiGraph:
        """The same as a networkx graph, each reference an edge with its `path` and `text`."""
        import networkx as nx

        graph: nx.MultiDiGraph = nx.MultiDiGraph()
        graph.add_nodes_from(self._sources)
        for wire in self._wires:
            graph.add_edge(wire.source, wire.target, path=wire.path, text=wire.text)
        return graph


def _reach(names: Iterable[str], neighbours: Mapping[str, Iterable[str]]) -> set[str]:
    reached = set(names)
    waiting = list(reached)
    while waiting:
        for name in neighbours[waiting.pop()]:
            if name not in reached:
                reached.add(name)
                waiting.append(name)
    return reached
