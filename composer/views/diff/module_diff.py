"""Modules of two documents, paired by what they are: type, config, and where tasks call them; names come last."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from pydantic import BaseModel

from composer.graph import Checked, CheckedModule
from composer.plugin import Config
from composer.views.diff.diff_values import Change, PartDiff
from composer.views.diff.matching import likeness, paired
from composer.views.diff.shapes_of_tasks import TaskGraph

__all__ = ["config_changes", "declared_changes", "match_modules", "module_diffs"]

NEAR = 0.5
"""Modules of one type and other names are taken for one where config and calls have so much in common, or where
neither document has a second one of the type."""


def match_modules(
    a: Checked, b: Checked, ours: Iterable[TaskGraph], theirs: Iterable[TaskGraph]
) -> dict[str, str]:
    """Module of A to module of B, of those that the graphs call. What is the same in both comes first, whatever its
    name; then what has one name; then what is alike.
    """
    calls = _calls(ours), _calls(theirs)
    known_a = {name: module for name, module in a.modules.items() if name in calls[0]}
    known_b = {name: module for name, module in b.modules.items() if name in calls[1]}

    types = [Counter(module.type.id for module in known.values()) for known in (known_a, known_b)]

    def alike(one: str, other: str) -> float:
        first, second = known_a[one], known_b[other]
        if first.type.id != second.type.id:
            return 0.0
        fields = _fields_alike(first, second)
        places = likeness(calls[0][one], calls[1][other])
        only = (types[0][first.type.id], types[1][first.type.id]) == (1, 1)
        if fields < 1 and one != other and (fields + places) / 2 < NEAR and not only:
            return 0.0
        return 1 + 100 * (fields == 1) + 10 * (one == other) + 2 * places + fields

    return paired(known_a, known_b, alike)


def module_diffs(
    a: Checked,
    b: Checked,
    pairs: Mapping[str, str],
    ours: Iterable[TaskGraph],
    theirs: Iterable[TaskGraph],
) -> tuple[PartDiff, ...]:
    """Every called module of A in its order, then those that only B has."""
    called_a, called_b = _calls(ours), _calls(theirs)
    found = []
    for name, module in a.modules.items():
        if name in called_a:
            other = pairs.get(name)
            changes = _changes(a, b, module, b.modules[other]) if other is not None else ()
            found.append(PartDiff(name, other, module.type.id, changes))
    taken = set(pairs.values())
    found += [
        PartDiff(None, name, module.type.id)
        for name, module in b.modules.items()
        if name in called_b and name not in taken
    ]
    return tuple(found)


def _changes(a: Checked, b: Checked, one: CheckedModule, other: CheckedModule) -> tuple[Change, ...]:
    written = declared_changes(
        a.document.shape.modules[one.name], b.document.shape.modules[other.name], {"uses", "with_", "summary"}
    )
    return config_changes(one.config, other.config) + _momentum(one, other) + written


def _momentum(one: CheckedModule, other: CheckedModule) -> tuple[Change, ...]:
    """The momentum of two moving averages, where it differs: it is no part of the config of what they follow."""
    if one.average is None or other.average is None or one.average.momentum == other.average.momentum:
        return ()
    return (Change("momentum", one.average.momentum, other.average.momentum),)


def declared_changes(
    one: BaseModel, other: BaseModel, beside: set[str], prefix: str = ""
) -> tuple[Change, ...]:
    """The keys that two documents give other values, but for those that are compared as what they mean."""
    ours, theirs = (each.model_dump(mode="json", by_alias=True, exclude=beside) for each in (one, other))
    return tuple(
        Change(f"{prefix}{key}", value, theirs.get(key))
        for key, value in ours.items()
        if value != theirs.get(key)
    )


def config_changes(one: Config | None, other: Config | None, prefix: str = "") -> tuple[Change, ...]:
    """The fields that differ between two configs, defaults filled in."""
    ours, theirs = _dumped(one), _dumped(other)
    return tuple(
        Change(f"{prefix}{key}", ours.get(key), theirs.get(key))
        for key in dict.fromkeys((*ours, *theirs))
        if ours.get(key) != theirs.get(key)
    )


def _dumped(config: Config | None) -> dict[str, object]:
    return {} if config is None else config.model_dump(mode="json", fallback=str)


def _fields_alike(one: CheckedModule, other: CheckedModule) -> float:
    ours, theirs = _dumped(one.config), _dumped(other.config)
    keys = {*ours, *theirs}
    return sum(ours.get(key) == theirs.get(key) for key in keys) / len(keys) if keys else 1.0


def _calls(graphs: Iterable[TaskGraph]) -> dict[str, Counter[int]]:
    """Module to how it is called: each call as what it is with what stands next to it."""
    found: dict[str, Counter[int]] = {}
    for graph in graphs:
        for name, node in graph.task.nodes.items():
            if not node.is_in_place:
                found.setdefault(node.module.name, Counter())[graph.rings[1][name]] += 1
    return found
