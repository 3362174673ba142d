"""One cause, one problem: edges that do not fit for the same reason are told of once, with how many there are."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field, replace

from composer.graph.explaining import Edge
from composer.problems import Edit, Note, Place, Problem

__all__ = ["EdgeFaults"]

SHOWN_PLACES = 3


@dataclass
class _Group:
    """A problem, where it stands in the list, and the other edges that have its cause."""

    position: int
    edge: Edge
    others: list[tuple[Edge, Place]] = field(default_factory=list)


@dataclass
class EdgeFaults:
    """Adds the problems of edges to a list. Keys say what a fault comes from: one that is known joins its group."""

    problems: list[Problem]
    groups: dict[Hashable, _Group] = field(default_factory=dict)

    def joins(self, keys: Iterable[Hashable], edge: Edge, place: Place) -> bool:
        """Whether one of the keys has a problem already, which then counts this edge too."""
        group = next((self.groups[key] for key in keys if key in self.groups), None)
        if group is not None:
            group.others.append((edge, place))
        return group is not None

    def add(self, keys: Iterable[Hashable], edge: Edge, problem: Problem) -> None:
        group = _Group(len(self.problems), edge)
        self.groups.update(dict.fromkeys(keys, group))
        self.problems.append(problem)

    def settle(self) -> None:
        """Put into each problem how many places it speaks for."""
        for group in {id(group): group for group in self.groups.values()}.values():
            problem = self.problems[group.position]
            places = {place: edge for edge, place in group.others if place != problem.place}
            if not places:
                continue
            more = "one more place" if len(places) == 1 else f"{len(places):,} more places"
            shown = list(places.items())[:SHOWN_PLACES]
            notes = tuple(Note(place, f"{edge}: the same cause") for place, edge in shown)
            self.problems[group.position] = replace(
                problem,
                message=f"{problem.message}, and so at {more}",
                notes=(*problem.notes, *notes),
                fix=_for_all(group.edge, problem.fix, places),
            )


def _for_all(first: Edge, fix: tuple[Edit, ...], places: dict[Place, Edge]) -> tuple[Edit, ...]:
    """The adapter that cures the first edge, read by the others too; none where they read something else."""
    alike = all(
        edge.source == first.source and edge.reference[:2] == first.reference[:2] for edge in places.values()
    )
    if not fix or not alike:
        return ()
    return (*fix, *(Edit(place.file, place.start, place.end, fix[-1].text) for place in places))
