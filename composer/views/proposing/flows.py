"""Flows: calls of module types, each reading what others wrote, and the streams of values that are still open."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Union

from composer.types import PortType
from composer.views.proposing.offered_calls import Offered

__all__ = ["CallFlow", "FlowCall", "FlowValue", "Stream"]


class FlowValue(NamedTuple):
    """A port of an input, or of a call."""

    source: Union[str, FlowCall]
    port: str


@dataclass(frozen=True, eq=False)
class FlowCall:
    """One call with what it reads. A search makes equal calls once, so that two flows share them."""

    offered: Offered
    inputs: tuple[tuple[str, tuple[FlowValue, ...]], ...]
    number: int
    """In the order in which a search made them: a call reads older ones only."""
    spare: int = 0
    """Outputs that nobody reads, of a call whose outputs say the same of different inputs."""
    vague: int = 0
    """Inputs with a role, such as `states:text`, that read what has none: what is joined of text and vision."""


@dataclass(frozen=True)
class Stream:
    """A value that is still to be read, with those that it came through."""

    trail: tuple[tuple[FlowValue, PortType], ...]
    roots: frozenset[str]
    calls: frozenset[Offered]
    """What it went through: nothing is called twice in a row of calls."""

    @property
    def type(self) -> PortType:
        return self.trail[-1][1]

    @property
    def value(self) -> FlowValue:
        return self.trail[-1][0]


@dataclass(frozen=True)
class CallFlow:
    """Calls so far, in order, and the streams that are open."""

    streams: tuple[Stream, ...]
    calls: tuple[FlowCall, ...] = ()

    @property
    def modules(self) -> dict[str, int]:
        """The module types with weights, each with its calls."""
        found: dict[str, int] = {}
        for call in self.calls:
            if not call.offered.type.stateless:
                found[call.offered.type.id] = found.get(call.offered.type.id, 0) + 1
        return found

    @property
    def effort(self) -> float:
        """What a search looks at first: few modules; a further call of one costs little. It never falls."""
        modules, calls = len(self.modules), len(self.calls)
        with_weights = sum(self.modules.values())
        return modules + 0.1 * (with_weights - modules) + 0.25 * (calls - with_weights) + 0.5 * self.vague

    @property
    def vague(self) -> int:
        return sum(call.vague for call in self.calls)

    @property
    def rank(self) -> tuple[float, int, tuple[str, ...]]:
        """The order in which flows are shown: a module that is called twice counts half for each of its calls."""
        modules = sum(1 / calls for calls in self.modules.values())
        stateless = sum(call.offered.type.stateless for call in self.calls)
        spare = sum(call.spare for call in self.calls)
        names = tuple(call.offered.text for call in self.calls)
        return round(modules + 0.25 * stateless + 0.3 * spare + 0.5 * self.vague, 6), len(self.calls), names
