"""Flows: calls of module types, each reading what others wrote, and the streams of values that are still open."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Union

from composer.types import PortType
from composer.views.proposing.offered_calls import Offered

__all__ = ["Bound", "CallFlow", "FlowCall", "FlowValue", "Stream"]


class FlowValue(NamedTuple):
    """A port of an input, or of a call."""

    source: Union[str, FlowCall]
    port: str


Bound = tuple[tuple[str, tuple[FlowValue, ...]], ...]
"""Ports of a call, with the values that each reads."""


@dataclass(frozen=True, eq=False)
class FlowCall:
    """One call with what it reads. A search makes equal calls once, so that two flows share them."""

    offered: Offered
    inputs: Bound
    number: int
    """In the order in which a search made them: a call reads older ones only."""
    spare: int = 0
    """Outputs that nobody reads, of a call whose outputs say the same of different inputs."""
    vague: int = 0
    """Inputs with a role, such as `states:text`, that read what has none: what is joined of text and vision."""

    @cached_property
    def roots(self) -> frozenset[str]:
        """The inputs that it is made of."""
        sources = (value.source for _, values in self.inputs for value in values)
        return frozenset().union(*({each} if isinstance(each, str) else each.roots for each in sources))

    @property
    def joined(self) -> bool:
        """Whether it is made of several inputs."""
        return len(self.roots) > 1


@dataclass(frozen=True)
class Stream:
    """A value that is still to be read, with those that it came through."""

    trail: tuple[tuple[FlowValue, PortType], ...]
    roots: frozenset[str]
    calls: frozenset[Offered]
    """What it went through: nothing but what joins is called twice in a row of calls."""

    @property
    def type(self) -> PortType:
        return self.trail[-1][1]

    @property
    def value(self) -> FlowValue:
        return self.trail[-1][0]

    @cached_property
    def kinds(self) -> frozenset[str]:
        """Those of the value, and of what it came through."""
        return frozenset(type_.kind for _, type_ in self.trail)


@dataclass(frozen=True)
class CallFlow:
    """Calls so far, in order, and the streams that are open."""

    streams: tuple[Stream, ...]
    calls: tuple[FlowCall, ...] = ()

    @cached_property
    def modules(self) -> dict[str, int]:
        """The module types with weights, each with its calls."""
        found: dict[str, int] = {}
        for call in self.calls:
            if not call.offered.type.stateless:
                found[call.offered.type.id] = found.get(call.offered.type.id, 0) + 1
        return found

    @cached_property
    def effort(self) -> float:
        """What a search looks at first: few modules; a further call of one costs little. It never falls."""
        large = self._large
        modules, calls = len(large), sum(large.values())
        return modules + 0.1 * (calls - modules) + 0.25 * (len(self.calls) - calls) + 0.5 * self.vague

    @cached_property
    def _large(self) -> dict[str, int]:
        """The modules with their calls, without those that give what they take: norms and adapters are small."""
        small = {call.offered.type.id for call in self.calls if call.offered.keeps}
        return {id: calls for id, calls in self.modules.items() if id not in small}

    @cached_property
    def vague(self) -> int:
        return sum(call.vague for call in self.calls)

    @cached_property
    def rank(self) -> tuple[float, int, int, tuple[str, ...]]:
        """The order of flows that have the same modules, and without counting of all.

        A module counts one, half of it where it is called in several ways, as layers that text and vision share; a
        further call of it a tenth. A call without weights, a norm or an adapter counts a quarter. Of equals, those come
        first that join their inputs last.
        """
        large = self._large
        ways = {id: {c.offered.method for c in self.calls if c.offered.type.id == id} for id in large}
        modules = sum(0.5 if len(ways[id]) > 1 else 0.9 + 0.1 * calls for id, calls in large.items())
        modules += max(sum(call.offered.generates for call in self.calls) - 1, 0)  # one text is not several
        others = len(self.calls) - sum(large.values())
        spare = sum(call.spare for call in self.calls)
        joined = sum(call.joined for call in self.calls)
        names = tuple(call.offered.text for call in self.calls)
        total = round(modules + 0.25 * others + 0.3 * spare + 0.5 * self.vague, 6)
        return total, len(self.calls), joined, names
