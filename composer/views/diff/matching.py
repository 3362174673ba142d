"""Two sets of things paired by how alike they are: as many of the most alike pairs as go together."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import TypeVar

import networkx as nx

__all__ = ["MOST_PAIRS", "likeness", "paired"]

_T = TypeVar("_T", bound=Hashable)
MOST_PAIRS = 40_000
"""More pairs than that are not looked at one by one; then names decide."""


def paired(
    ours: Iterable[str], theirs: Iterable[str], likeness: Callable[[str, str], float]
) -> dict[str, str]:
    """Pairs whose likenesses have the largest sum; what is alike by 0 is never paired.

    Of equally good pairings, the one in the order that was given.
    """
    ours, theirs = list(ours), list(theirs)
    if len(ours) * len(theirs) > MOST_PAIRS:
        return {name: name for name in ours if name in set(theirs) and likeness(name, name) > 0}
    graph = nx.Graph()
    for row, one in enumerate(ours):
        for column, other in enumerate(theirs):
            found = likeness(one, other)
            if found > 0:
                # A little more for what stands at the same place, so that ties have one outcome.
                place = 1 / (1 + abs(row / len(ours) - column / len(theirs)))
                graph.add_edge(("a", one), ("b", other), weight=found + 1e-6 * place)
    found_pairs: dict[str, str] = {}
    for one, other in nx.max_weight_matching(graph):
        (_, a), (_, b) = sorted((one, other))
        found_pairs[a] = b
    return {one: found_pairs[one] for one in ours if one in found_pairs}


def likeness(ours: Mapping[_T, int], theirs: Mapping[_T, int]) -> float:
    """The share that two collections have in common: 1 for equal ones, two empty ones too."""
    keys = {*ours, *theirs}
    together = sum(max(ours.get(key, 0), theirs.get(key, 0)) for key in keys)
    return sum(min(ours.get(key, 0), theirs.get(key, 0)) for key in keys) / together if together else 1.0
