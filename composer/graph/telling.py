"""How problems are told: each cause once, what follows from another one not at all, in the order of the files."""

from __future__ import annotations

from collections.abc import Iterable

from composer.graph.aliases import said_once
from composer.graph.faults import NameFaults
from composer.language import Resolved
from composer.problems import Effect, Place, Problem

__all__ = ["in_source_order", "settled", "told_once"]


def told_once(problems: Iterable[Problem], document: Resolved) -> list[Problem]:
    """The problems, those of one value behind several aliases or of one name that many write only once."""
    return NameFaults.of_document(said_once(problems, document.tree))


def in_source_order(problems: Iterable[Problem], document: Resolved) -> list[Problem]:
    """The problems as they stand in the files, those of extended ones last, without those that say nothing new."""
    found = list(problems)
    files = {name: index for index, name in enumerate(reversed(list(document.sources)))}
    # what an inherited file leaves unused is not this author's concern
    own = document.tree.root.start_mark.name
    # a warning at the place of an error says less
    faulty = {p.place for p in found if p.severity == "error"}
    kept = dict.fromkeys(
        p for p in settled(found) if p.severity == "error" or (p.place.file == own and p.place not in faulty)
    )
    return sorted(kept, key=lambda p: (files.get(p.place.file, len(files)), p.place.line, p.place.column))


def settled(problems: Iterable[Problem]) -> list[Problem]:
    """The problems without those that follow from a value which could not be read."""
    found = list(problems)
    spoilt = [p.place for p in found if p.has(Effect.SPOILS_ITS_PLACE)]
    return [
        p
        for p in found
        if p.has(Effect.SPOILS_ITS_PLACE) or not (_inside(p.place, spoilt) or _around(p.place, spoilt))
    ]


def _inside(place: Place, others: list[Place]) -> bool:
    """Whether a place lies within one whose value could not be read: what is said of it is a consequence."""
    return any(o.file == place.file and o.start <= place.start and place.end <= o.end for o in others)


def _around(place: Place, others: list[Place]) -> bool:
    """Whether a place is a value that holds one which could not be read."""
    return any(o.file == place.file and place.start < o.start and o.end < place.end for o in others)
