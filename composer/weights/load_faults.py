"""Everything that keeps a checkpoint from being loaded, told at once: the causes first, then the list."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

from composer.sources.weights_error import WeightsError
from composer.weights.names import collapse, nearest
from composer.weights.plan import LoadPlan

__all__ = ["Faults", "misfit"]

Shape = tuple[int, ...]
MOST_LINES = 24
"""A text that is longer than that is not read; it counts instead."""
MOST_MODULES = 12
_ANOTHER_SIZE = "is this a checkpoint of another size than the document's parameters say?"
_TURNED = "their axes are swapped: was it written by a library that keeps them the other way round?"


@dataclass
class Faults:
    """The findings by sort. `dtypes` and `others` lead from a finding's text to the names it is true of."""

    plan: LoadPlan
    targets: Sequence[str]
    parameters: Mapping[str, object] = field(default_factory=dict)
    """Values of the document's parameters."""
    changed: frozenset[str] = frozenset()
    """Those that the user gave another value."""
    shapes: dict[str, tuple[Shape, Shape]] = field(default_factory=dict)
    """parameter → the shape that the document asks for, and the checkpoint's"""
    dtypes: dict[str, list[str]] = field(default_factory=dict)
    others: dict[str, list[str]] = field(default_factory=dict)
    not_a_number: list[str] = field(default_factory=list)
    infinite: list[str] = field(default_factory=list)

    @property
    def any(self) -> bool:
        found = (self.shapes, self.dtypes, self.others, self.not_a_number, self.infinite)
        plan = self.plan
        return any(map(bool, (*found, plan.missing, plan.unexpected, plan.claimed_twice)))

    def error(self, source: str, modules: Iterable[str], causes: Iterable[str]) -> WeightsError:
        """The causes, then all findings, grouped, each with the nearest names.

        Where that is long, its text counts them by module, and `details` holds the whole list.
        """
        heading = [f"{source} does not fit {', '.join(modules)}; nothing was loaded:"]
        heading += [f"  {cause}" for cause in causes]
        whole = [*heading, *self._names(), *self._values()]
        if len(whole) <= MOST_LINES:
            return WeightsError("\n".join(whole))
        short = [*heading, *self._counts(), "  --loading-report lists them all (`details` of this error)"]
        return WeightsError("\n".join(short), "\n".join(whole))

    def _counts(self) -> Iterator[str]:
        """One line per sort of finding and module."""
        sorts: dict[str, Iterable[str]] = {
            "missing from the checkpoint": self.plan.missing,
            "in the checkpoint, and nothing takes them": self.plan.unexpected,
            "claimed by more than one key": self.plan.claimed_twice,
            "of another shape": self.shapes,
            "of another dtype": list(chain.from_iterable(self.dtypes.values())),
            "with NaN": self.not_a_number,
            "with infinite values": self.infinite,
            **self.others,
        }
        for text, names in sorts.items():
            by_module: dict[str, list[str]] = {}
            for name in names:
                by_module.setdefault(name.partition(".")[0], []).append(name)
            if by_module:
                yield f"  {text}:"
            for module, members in list(by_module.items())[:MOST_MODULES]:
                patterns = list(collapse(members))
                more = f", ... {len(patterns) - 1} more like it" if len(patterns) > 1 else ""
                yield f"    {module}: {_count(members, 'tensor')}, such as {patterns[0]}{more}"
            if len(by_module) > MOST_MODULES:
                yield f"    ... and {len(by_module) - MOST_MODULES} more modules"
            if names is self.shapes and by_module:
                yield f"    {_ANOTHER_SIZE}"

    def _names(self) -> Iterator[str]:
        missing, unexpected = collapse(self.plan.missing), self._unexpected()
        if missing:
            yield f"  {_count(self.plan.missing, 'parameter')} missing from the checkpoint:"
            keys = {target: key for key, target in unexpected.items()}
            yield from _listed(missing, nearest(list(missing), list(keys)), keys, "nearest key")
        if unexpected:
            yield f"  {_count(self.plan.unexpected, 'key')} of the checkpoint that nothing takes:"
            candidates = list(missing) or list(collapse(self.targets))
            near = nearest(list(unexpected.values()), candidates)
            groups = collapse(self.plan.unexpected)
            for pattern, target in unexpected.items():
                mapped = "" if target == pattern else f" → {target}"
                hint = f"   nearest parameter: {near[target]}" if target in near else ""
                yield f"    {_numbered(pattern, groups[pattern])}{mapped}{hint}"
        if self.plan.claimed_twice:
            yield f"  {_count(self.plan.claimed_twice, 'parameter')} claimed by more than one key:"
            for target, keys_of in self.plan.claimed_twice.items():
                yield f"    {target}: {', '.join(keys_of)}"

    def _unexpected(self) -> dict[str, str]:
        """Pattern of keys → pattern of the parameters that they were mapped to (the same where no rule took them)."""
        targets = self.plan.unexpected
        patterns: dict[str, str] = {}
        for pattern, keys in collapse(targets).items():
            mapped = collapse(targets[key] or key for key in keys)
            patterns[pattern] = next(iter(mapped))
        return patterns

    def _values(self) -> Iterator[str]:
        shapes: dict[str, list[str]] = {}
        for name, (expected, found) in self.shapes.items():
            shapes.setdefault(f"expected {list(expected)}, found {list(found)}", []).append(name)
        yield from _by_text("shape", shapes)
        if self.shapes:
            turned = all(tuple(found) == tuple(expected)[::-1] for expected, found in self.shapes.values())
            yield f"    {_TURNED if turned else _ANOTHER_SIZE}"
        yield from _by_text("dtype", self.dtypes)
        for text, names in self.others.items():
            yield from (f"  {pattern}: {text}" for pattern in _patterns(names))
        for title, names in (("NaN", self.not_a_number), ("infinite values", self.infinite)):
            if names:
                yield f"  the checkpoint holds {_count(names, 'tensor')} with {title}: {', '.join(_patterns(names))}"


def misfit(found: Sequence[WeightsError]) -> WeightsError:
    """One error for all sources that do not fit."""
    if len(found) == 1:
        return found[0]
    return WeightsError("\n".join(map(str, found)), "\n".join(each.details for each in found))


def _listed(
    groups: Mapping[str, Sequence[str]], near: Mapping[str, str], keys: Mapping[str, str], label: str
) -> Iterator[str]:
    for pattern, names in groups.items():
        hint = f"   {label}: {keys[near[pattern]]}" if pattern in near else ""
        yield f"    {_numbered(pattern, names)}{hint}"


def _by_text(title: str, found: Mapping[str, Sequence[str]]) -> Iterator[str]:
    if found:
        yield f"  {_count(chain.from_iterable(found.values()), 'tensor')} of another {title}:"
    for text, names in found.items():
        yield from (f"    {pattern}: {text}" for pattern in _patterns(names))


def _patterns(names: Iterable[str]) -> list[str]:
    return [_numbered(pattern, members) for pattern, members in collapse(names).items()]


def _numbered(pattern: str, names: Sequence[str]) -> str:
    return f"{pattern} ({len(names)})" if len(names) > 1 else pattern


def _count(things: Iterable[object], noun: str) -> str:
    number = len(list(things))
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
