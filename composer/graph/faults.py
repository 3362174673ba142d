"""One cause, one problem: what is wrong at many places for the same reason is told once, with how many there are."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field, replace

from composer.graph.fitting import Edge
from composer.problems import Effect, Finding, Findings, Note, Place, Problem

__all__ = ["EdgeFaults", "NameFaults", "without_count"]

SHOWN_PLACES = 3
_UNKNOWN = re.compile(r"there is no (?!parameter .*: )|.* has no method `")
"""How the messages of names begin that nothing in the document or the plugins has."""
_COUNT = re.compile(
    r", and so at (?:one more place|[\d,]+ more places)$| \(here and at (?:one|[\d,]+) more places?\)$"
)


def without_count(message: str) -> str:
    """A message without the number of places that it speaks for, which changes while they are mended."""
    return _COUNT.sub("", message)


@dataclass
class NameFaults:
    """Tells of unknown names: a name that many read is told of where it is read first."""

    findings: Findings
    groups: dict[Hashable, tuple[Finding, list[Problem]]] = field(default_factory=dict)

    def add(self, scope: Hashable, problem: Problem) -> None:
        key = (scope, problem.message, problem.place.file)
        if key in self.groups:
            self.groups[key][1].append(problem)
        else:
            self.groups[key] = (self.findings.add(problem), [])

    def settle(self) -> None:
        """Put into each problem how many places it speaks for."""
        for finding, others in self.groups.values():
            finding.problem = _for_places(finding.problem, others)

    @staticmethod
    def of_document(problems: Iterable[Problem]) -> list[Problem]:
        """The problems, those of one name that many modules and nodes write only once: the first of the file."""
        kept: dict[Hashable, list[Problem]] = {}
        for problem in problems:
            is_name = problem.has(Effect.NAMES_NOTHING) and _UNKNOWN.match(problem.message) is not None
            key = (problem.code, problem.message, problem.place.file) if is_name else id(problem)
            kept.setdefault(key, []).append(problem)
        return [
            _for_places(first, others)
            for first, *others in (sorted(group, key=lambda p: p.place) for group in kept.values())
        ]


def _for_places(first: Problem, others: Iterable[Problem]) -> Problem:
    """A problem that speaks for others too; its fix is that of all, if all have one."""
    elsewhere = {other.place: other for other in others if other.place != first.place}
    if not elsewhere:
        return first
    more = "one more place" if len(elsewhere) == 1 else f"{len(elsewhere):,} more places"
    notes = tuple(Note(place, "the same name") for place in list(elsewhere)[:SHOWN_PLACES])
    fixes = [first.fix, *(other.fix for other in elsewhere.values())]
    return replace(
        first,
        message=f"{first.message} (here and at {more})",
        notes=(*first.notes, *notes),
        fix=tuple(edit for fix in fixes for edit in fix) if all(fixes) else (),
    )


@dataclass
class _Group:
    """What tells of an edge, and the other edges that have its cause."""

    finding: Finding
    others: list[tuple[Edge, Place]] = field(default_factory=list)


@dataclass
class EdgeFaults:
    """Tells of edges that do not fit. Keys say what a fault comes from: one that is known joins its group."""

    findings: Findings
    groups: list[_Group] = field(default_factory=list)

    def joins(self, keys: Iterable[Hashable], edge: Edge, place: Place) -> bool:
        """Whether one of the keys has a problem already, which then counts this edge too."""
        finding = self.findings.repeat(*keys)
        for group in self.groups:
            if group.finding is finding:
                group.others.append((edge, place))
        return finding is not None

    def add(self, keys: Iterable[Hashable], problem: Problem) -> None:
        self.groups.append(_Group(self.findings.add(problem, *keys)))

    def settle(self) -> None:
        """Put into each problem how many places it speaks for."""
        for group in self.groups:
            problem = group.finding.problem
            places = {place: edge for edge, place in group.others if place != problem.place}
            if not places:
                continue
            more = "one more place" if len(places) == 1 else f"{len(places):,} more places"
            shown = list(places.items())[:SHOWN_PLACES]
            notes = tuple(Note(place, f"{edge}: the same cause") for place, edge in shown)
            group.finding.problem = replace(
                problem,
                message=f"{problem.message}, and so at {more}",
                notes=(*problem.notes, *notes),
            )
