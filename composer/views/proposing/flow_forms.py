"""Forms in which one value is read by two calls, and adapters of a width behind an encoder.

residual: `x` and `f(x)` go into what adds them (`core.add`, a residual norm). beside: what a call joined is joined with
what it was joined from, as where a decoder reads what was seen beside the words that have looked at it. adapter: what
an encoder gives, brought to another width. Each is one step of a search, behind the call that it belongs to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from composer.graph.fitting import Roles, kind_fits
from composer.types import Kind, PortType
from composer.views.proposing.flows import Bound, FlowCall, FlowValue, Stream
from composer.views.proposing.offered_calls import Offered

__all__ = ["FlowForms", "is_adder"]

MakeCall = Callable[[Offered, Bound], FlowCall]
Form = tuple[FlowCall, Stream]
"""The call behind the one that was made, and the stream that it leaves."""


@dataclass
class FlowForms:
    """The forms that the offered calls allow."""

    offered: Sequence[Offered]
    kinds: Mapping[str, Kind]

    def of(self, made: FlowCall, end: Stream, read: Sequence[Stream], make: MakeCall) -> Iterator[Form]:
        """The forms behind a call that gave `end` of what it `read`."""
        call = made.offered
        if call.type.stateless or call.generates or call.keeps:
            return
        if len(read) > 1:
            for joiner in self._joiners:
                for other in (each for each in read if each.type.role != end.type.role):
                    yield from self._two(joiner, (other.value, other.type), end, make)
            return
        if isinstance(read[0].value.source, str):
            for adapter in self._adapters(call):
                yield from self._one(adapter, end, make)
        if _updates(call):
            for adder in self._adders(call):
                yield from self._two(adder, read[0].trail[-1], end, make)

    def _one(self, call: Offered, end: Stream, make: MakeCall) -> Iterator[Form]:
        (port,) = call.required
        yield from self._made(call, ((port, end.trail[-1]),), end, make)

    def _two(
        self, call: Offered, first: tuple[FlowValue, PortType], end: Stream, make: MakeCall
    ) -> Iterator[Form]:
        one, other = call.required
        yield from self._made(call, ((one, first), (other, end.trail[-1])), end, make)

    def _made(
        self,
        call: Offered,
        bound: Sequence[tuple[str, tuple[FlowValue, PortType]]],
        end: Stream,
        make: MakeCall,
    ) -> Iterator[Form]:
        roles = Roles()
        for port, (_, type_) in bound:
            wanted = call.signature.inputs[port].type
            if (
                not kind_fits(self.kinds, type_.kind, wanted.kind)
                or roles.taken(wanted.role, type_.role) is not None
            ):
                return
        made = make(call, tuple((port, (value,)) for port, (value, _) in bound))
        ((name, port_),) = call.signature.outputs.items()
        given = port_.type.with_role(roles.given(port_.type.role))
        yield made, Stream((*end.trail, (FlowValue(made, name), given)), end.roots, end.calls | {call})

    def _adders(self, call: Offered) -> list[Offered]:
        """What adds an update: of the family of what made it, or else any that has no weights."""
        own = [each for each in self._all_adders if _family(each) == _family(call)]
        return own or [each for each in self._all_adders if each.type.stateless]

    def _adapters(self, call: Offered) -> list[Offered]:
        return [each for each in self._all_adapters if _family(each) == _family(call)]

    @cached_property
    def _all_adders(self) -> list[Offered]:
        return [each for each in self.offered if is_adder(each)]

    @cached_property
    def _joiners(self) -> list[Offered]:
        return [each for each in self.offered if each.type.stateless and _is_pair(each) and _joins(each)]

    @cached_property
    def _all_adapters(self) -> list[Offered]:
        """What has weights and gives what it takes at a width of its own."""
        return [each for each in self.offered if each.keeps and not each.type.stateless and _widens(each)]


def _family(call: Offered) -> str:
    return call.type.id.partition(".")[0]


def _is_pair(call: Offered) -> bool:
    """Whether it takes two values of one type, and gives one of their kind."""
    types = [call.signature.inputs[port].type for port in call.required]
    given = [port.type.kind for port in call.signature.outputs.values()]
    many = any(call.signature.inputs[port].many for port in call.required)
    return len(types) == 2 and not many and types[0].kind == types[1].kind and given == [types[0].kind]


def is_adder(call: Offered) -> bool:
    """Whether it makes one value of two that are alike, such as a value and its update."""
    return _is_pair(call) and call.keeps and not _joins(call)


def _joins(call: Offered) -> bool:
    """Whether what it gives has other sizes than what it takes, as where lengths are added."""
    ((_, given),) = call.signature.outputs.items()
    return any(call.signature.inputs[port].type.dims != given.type.dims for port in call.required)


def _updates(call: Offered) -> bool:
    """Whether it gives one value of the type that it takes."""
    if len(call.required) != 1 or len(call.signature.outputs) != 1:
        return False
    ((_, given),) = call.signature.outputs.items()
    taken = call.signature.inputs[call.required[0]].type
    return (given.type.kind, given.type.role, given.type.dims) == (taken.kind, taken.role, taken.dims)


def _widens(call: Offered) -> bool:
    if len(call.required) != 1 or len(call.signature.outputs) != 1:
        return False
    ((_, given),) = call.signature.outputs.items()
    taken = call.signature.inputs[call.required[0]].type
    return len(given.type.dims) == len(taken.dims) and given.type.dims != taken.dims
