"""One anchored value, one problem: what would be said of it at every alias is said once."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from yaml.nodes import MappingNode, Node, SequenceNode

from composer.language import Tree, place_of
from composer.problems import Note, Place, Problem

__all__ = ["said_once"]

_NAME = r"[\w-]+"
SHOWN_ALIASES = 3


@dataclass
class _Shared:
    """A value that several keys hold: the places of these keys, and all names on the ways to it."""

    node: Node
    keys: list[Place | None] = field(default_factory=list)
    names: set[str] = field(default_factory=set)

    def holds(self, place: Place) -> bool:
        own = place_of(self.node)
        inside = own.file == place.file and own.start <= place.start and place.end <= own.end
        return inside or place in self.keys


def said_once(problems: Iterable[Problem], tree: Tree) -> list[Problem]:
    """The problems, those of one anchored value that differ in nothing but the names on the way to it only once."""
    found = list(problems)
    shared = _shared(tree.root) if len(found) > 1 else []
    if not shared:
        return found
    kept: dict[object, Problem] = {}
    others: dict[object, list[Place]] = {}
    for problem in found:
        key = _signature(problem, shared)
        first = kept.setdefault(key, problem)
        if first is not problem and first.place != problem.place:
            others.setdefault(key, []).append(problem.place)
    for key, places in others.items():
        notes = tuple(Note(place, "and here, by an alias") for place in dict.fromkeys(places[:SHOWN_ALIASES]))
        kept[key] = replace(kept[key], notes=(*kept[key].notes, *notes))
    return list(kept.values())


def _signature(problem: Problem, shared: list[_Shared]) -> object:
    """What problems have in common that are one."""
    for value in shared:
        if value.holds(problem.place):
            place = None if problem.place in value.keys else problem.place
            words = (
                re.split(_NAME, problem.message),
                [w for w in re.findall(_NAME, problem.message) if w not in value.names],
            )
            return problem.code, id(value.node), place, str(words)
    return problem


def _shared(root: MappingNode) -> list[_Shared]:
    """The maps and lists that more than one key or item holds."""
    seen: dict[int, _Shared] = {}

    def walk(node: Node, key: Node | None, path: tuple[str, ...]) -> None:
        if not isinstance(node, (MappingNode, SequenceNode)):
            return
        again = id(node) in seen
        value = seen.setdefault(id(node), _Shared(node))
        value.keys.append(place_of(key) if key is not None else None)
        value.names.update(path)
        if again:
            return
        for item in node.value:
            if isinstance(node, MappingNode):
                walk(item[1], item[0], (*path, str(item[0].value)))
            else:
                walk(item, None, path)

    walk(root, None, ())
    return [value for value in seen.values() if len(value.keys) > 1]
