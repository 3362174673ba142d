"""The search: flows from inputs to kinds, those with the least effort first, over a bounded number of flows.

A step extends one stream by a call, or joins several in one, or writes a form in which a value is read twice. What
cannot lead to a kind that is asked for is never called, and what gives what it takes (a dropout, a norm) only where it
is asked for by name, or nothing is found without: such types lead nowhere, and can stand everywhere.

Every other flow that is looked at is the next one of some set of modules, each set in its turn: so flows of many
modules are found although there are thousands of flows of few.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import permutations

from composer.graph.fitting import Roles, kind_fits
from composer.types import Kind, PortType
from composer.views.proposing.flow_forms import FlowForms, is_adder
from composer.views.proposing.flow_queue import BestAlike, FlowQueue
from composer.views.proposing.flows import Bound, CallFlow, FlowCall, FlowValue, Stream
from composer.views.proposing.offered_calls import Offered, is_narrow

__all__ = ["FlowSearch"]

MOST_FLOWS = 10_000
"""Flows that are looked at, for each input after the first: a registry may be large."""
MOST_CALLS = 14
MOST_OF_A_SET = 24
"""Flows of one set of modules that are found: more of them only say the same in another order."""
TOLD_EVERY = 250
"""Flows after which it is told how many were looked at."""
MOST_ALIKE = 4
"""Unfinished flows of the same modules, with the same values still to be read, that are gone on with: the best."""


@dataclass
class FlowSearch:
    """One search. `reached` holds every kind that some flow wrote, for who asks why nothing is found."""

    offered: Sequence[Offered]
    kinds: Mapping[str, Kind]
    goals: tuple[str, ...]
    modalities: Mapping[str, str]
    """Input to its modality: a method of this name is the one that reads it."""
    demanded: frozenset[str] = frozenset()
    """Module types that have to be in a flow."""
    told: Callable[[int], object] = lambda looked_at: None
    """Hears now and then how many flows were looked at."""
    reached: dict[str, None] = field(default_factory=dict)
    looked_at: int = 0
    _keeping: bool = False
    _fitting: dict[tuple[str, str], bool] = field(default_factory=dict)
    _made: dict[tuple[Offered, Bound, int], FlowCall] = field(default_factory=dict)

    def run(self, starts: Sequence[CallFlow], enough: int, *, keeping: bool = False) -> list[CallFlow]:
        """At most `enough` flows that end in the goals, those of the least effort; `keeping` takes all types."""
        self._keeping = keeping
        if not self.demanded <= {call.type.id for call in self.offered}:
            return []
        wanted = self._wanted(self.offered)
        useful = [
            o
            for o in self.offered
            if any(self._fits_any(p.type.kind, wanted) for p in o.signature.outputs.values())
        ]
        found: list[CallFlow] = []
        of_a_set: Counter[frozenset[str]] = Counter()
        queue = FlowQueue()
        alike = BestAlike(MOST_ALIKE)
        ways = self._ways(useful)
        seen: set[frozenset[object]] = set()
        self.looked_at = 0
        most = MOST_FLOWS * max(len(self.modalities) - 1, 1)

        def put(flow: CallFlow) -> None:
            key: frozenset[object] = frozenset((*flow.calls, *(s.value for s in flow.streams)))
            if key not in seen and self.looked_at < most:
                seen.add(key)
                if not alike.keeps(flow):
                    return
                self.looked_at += 1
                if self.looked_at % TOLD_EVERY == 0:
                    self.told(self.looked_at)
                left = self._left(flow, ways)
                queue.put(flow, (round(flow.effort + left, 6), left))

        for start in starts:
            put(start)
        while len(found) < enough and (flow := queue.take()) is not None:
            if self._ends(flow):
                modules = frozenset(flow.modules)
                of_a_set[modules] += 1
                if of_a_set[modules] <= MOST_OF_A_SET:
                    found.append(flow)
                continue
            if len(flow.calls) < MOST_CALLS and self.looked_at < most:
                for more in self._steps(flow, useful, wanted):
                    put(more)
        return found

    def _ways(self, offered: Sequence[Offered]) -> dict[str, tuple[Offered, ...]]:
        """The calls of least effort from each kind that is read to a goal, whatever else they read."""
        ways: dict[str, tuple[Offered, ...]] = dict.fromkeys(self.goals, ())
        changed = True
        while changed:
            changed = False
            for call in offered:
                rest = [self._way(p.type.kind, ways) for p in call.signature.outputs.values()]
                known = [(call, *way) for way in rest if way is not None]
                for kind in (
                    {call.signature.inputs[name].type.kind for name in call.required} if known else ()
                ):
                    way = min(known, key=_effort)
                    if kind not in ways or _effort(way) < _effort(ways[kind]):
                        ways[kind], changed = way, True
        return ways

    def _way(self, kind: str, ways: Mapping[str, tuple[Offered, ...]]) -> tuple[Offered, ...] | None:
        found = [way for each, way in ways.items() if self._fits(kind, each)]
        return min(found, key=_effort, default=None)

    def _left(self, flow: CallFlow, ways: Mapping[str, tuple[Offered, ...]]) -> float:
        """What a flow needs at least to end: the ways of its streams, each module once, and what joins them."""
        calls = {call for s in flow.streams for call in self._way(s.type.kind, ways) or ()}
        modules = {call.type.id for call in calls if not call.type.stateless} - flow.modules.keys()
        joins = max(len(flow.streams) - len(self.goals), 0)
        return len(modules) + 0.25 * sum(call.type.stateless for call in calls) + 0.25 * joins

    def _wanted(self, offered: Sequence[Offered]) -> frozenset[str]:
        """Kinds from which a goal can be reached."""
        wanted, before = set(self.goals), 0
        while len(wanted) != before:
            before = len(wanted)
            for call in offered:
                if any(self._fits_any(p.type.kind, wanted) for p in call.signature.outputs.values()):
                    wanted |= {call.signature.inputs[name].type.kind for name in call.required}
        return frozenset(wanted)

    def _fits_any(self, kind: str, wanted: frozenset[str] | set[str]) -> bool:
        return any(self._fits(kind, each) for each in wanted)

    def _ends(self, flow: CallFlow) -> bool:
        if len(flow.streams) != len(self.goals) or not flow.calls:
            return False
        if not self.demanded <= {call.offered.type.id for call in flow.calls}:
            return False
        return any(
            all(self._fits(s.type.kind, goal) for s, goal in zip(order, self.goals, strict=True))
            for order in permutations(flow.streams)
        )

    def _steps(
        self, flow: CallFlow, offered: Sequence[Offered], wanted: frozenset[str]
    ) -> Iterator[CallFlow]:
        read = [s for s in flow.streams if not self._is_final(s)]
        kinds = {kind for s in read for kind in s.kinds}
        for call in offered:
            if not all(any(self._fits(kind, wanted) for kind in kinds) for wanted in call.read_kinds):
                continue
            for chosen, bound in self._bindings(call, read, len(flow.streams)):
                roles = Roles()
                types = {s.value: s.type for s in chosen} | {v: t for s in chosen for v, t in s.trail}
                if all(
                    self._fits(types[v].kind, call.signature.inputs[port].type.kind)
                    and roles.taken(call.signature.inputs[port].type.role, types[v].role) is None
                    for port, values in bound
                    for v in values
                ):
                    yield from self._after(flow, call, chosen, bound, roles, wanted)

    def _bindings(
        self, call: Offered, read: Sequence[Stream], open_ones: int
    ) -> Iterator[tuple[tuple[Stream, ...], Bound]]:
        """The streams that a call can read, of those that may be read, and which of its ports reads which."""
        ports = call.required
        again = call.type.stateless and len(ports) > 1  # what joins two may join a third
        streams = [s for s in read if (again or call not in s.calls) and not self._has_better(call, s)]
        if not ports:
            return
        if len(ports) == 1 and call.signature.inputs[ports[0]].many:
            if len(streams) == open_ones and len(streams) > 1:
                yield tuple(streams), ((ports[0], tuple(s.value for s in streams)),)
            return
        freely = not call.keeps or self._keeping or call.type.id in self.demanded
        for stream in streams if freely and (len(ports) == 1 or call.keeps) else ():
            tail = stream.trail[-len(ports) :]  # an update is read beside what it is an update of
            if len(tail) == len(ports) and len({type_.kind for _, type_ in tail}) == 1:
                yield (stream,), tuple((p, (v,)) for p, (v, _) in zip(ports, tail, strict=True))
        if 2 <= len(ports) <= len(streams) and (freely or not is_adder(call)):
            for chosen in self._chosen(streams, call):
                if not self._turned_round(call, chosen, streams):
                    yield chosen, tuple((p, (s.value,)) for p, s in zip(ports, chosen, strict=True))

    def _chosen(self, streams: Sequence[Stream], call: Offered) -> Iterator[tuple[Stream, ...]]:
        """A stream of its kind for each port of a call, in every way."""
        kinds = [call.signature.inputs[port].type.kind for port in call.required]

        def after(chosen: tuple[Stream, ...]) -> Iterator[tuple[Stream, ...]]:
            if len(chosen) == len(kinds):
                yield chosen
                return
            for stream in streams:
                if stream not in chosen and self._fits(stream.type.kind, kinds[len(chosen)]):
                    yield from after((*chosen, stream))

        return after(())

    def _fits(self, kind: str, wanted: str) -> bool:
        """`kind_fits`, which is asked a million times, of few kinds."""
        if (kind, wanted) not in self._fitting:
            self._fitting[kind, wanted] = kind_fits(self.kinds, kind, wanted)
        return self._fitting[kind, wanted]

    def _is_final(self, stream: Stream) -> bool:
        """Whether a decoder wrote what is asked for: nothing has to be made of it."""
        written = any(call.generates for call in stream.calls)
        return written and any(self._fits(stream.type.kind, goal) for goal in self.goals)

    def _has_better(self, call: Offered, stream: Stream) -> bool:
        """Whether the type has a method that is named after the modality of an input, and this is another."""
        if not isinstance(stream.value.source, str):
            return False
        named = self._named.get((call.type.id, self.modalities[stream.value.source]))
        return named is not None and named is not call and named.required == call.required

    @cached_property
    def _order(self) -> list[str]:
        return list(self.modalities)

    @cached_property
    def _named(self) -> dict[tuple[str, str], Offered]:
        return {(call.type.id, call.method): call for call in self.offered}

    def _turned_round(self, call: Offered, chosen: Sequence[Stream], streams: Sequence[Stream]) -> bool:
        """Whether two ports of one type read streams in another order than they stand: the same once more."""
        ports = [call.signature.inputs[port].type for port in call.required]
        types = [(port.kind, port.role if is_narrow(port) else "") for port in ports]
        order = [streams.index(stream) for stream in chosen]
        pairs = [(i, j) for j in range(len(order)) for i in range(j)]
        return any(types[i] == types[j] and order[i] > order[j] for i, j in pairs)

    def _after(
        self,
        flow: CallFlow,
        call: Offered,
        chosen: tuple[Stream, ...],
        bound: Bound,
        roles: Roles,
        wanted: frozenset[str],
    ) -> Iterator[CallFlow]:
        outputs = {
            name: port.type.with_role(roles.given(port.type.role))
            for name, port in call.signature.outputs.items()
        }
        for type_ in outputs.values():
            self.reached[type_.kind] = None
        useful = [name for name, type_ in outputs.items() if self._fits_any(type_.kind, wanted)]
        rest = tuple(s for s in flow.streams if s not in chosen)
        types = {v: t for s in chosen for v, t in s.trail}
        vague = sum(
            not types[v].role and is_narrow(call.signature.inputs[port].type)
            for port, values in bound
            for v in values
        )
        same = len({outputs[name].kind for name in useful}) == 1  # outputs that say the same of other inputs
        for names in self._together(useful, outputs):
            spare = len(useful) - len(names) if same else 0
            made = self._call(call, bound, spare, vague)
            opened = tuple(self._stream(made, name, outputs[name], chosen) for name in names)
            yield self._with(flow, made, (*rest, *opened))
            if len(opened) == 1:
                whole = self._call(
                    call, bound, 0, vague
                )  # what the other outputs say is read from the inputs
                after = replace(flow, calls=(*flow.calls, whole))
                alone = self._stream(whole, names[0], outputs[names[0]], chosen)
                for more, end in self._forms.of(whole, alone, chosen, self._call):
                    if (
                        more.offered.required[1:] or more.offered.type.id not in flow.modules
                    ):  # one adapter is enough
                        yield self._with(after, more, (*rest, end))

    def _together(self, useful: list[str], outputs: Mapping[str, PortType]) -> list[list[str]]:
        """Which outputs of a call go on: all, each alone, and those that are what is asked for."""
        asked: list[str] = []
        for goal in self.goals:
            found = (n for n in useful if n not in asked and self._fits(outputs[n].kind, goal))
            asked += [next(found, "")]
        several = [useful, *([asked] if all(asked) and set(asked) != set(useful) else [])]
        return [names for names in several if len(names) > 1] + [[name] for name in useful]

    def _with(self, flow: CallFlow, made: FlowCall, streams: tuple[Stream, ...]) -> CallFlow:
        """The flow with one more call, and these streams in the order of the inputs."""
        ordered = sorted(streams, key=lambda s: sorted(map(self._order.index, s.roots)))
        return CallFlow(tuple(ordered), (*flow.calls, made))

    @cached_property
    def _forms(self) -> FlowForms:
        return FlowForms(self.offered, self.kinds)

    def _call(self, call: Offered, bound: Bound, spare: int = 0, vague: int = 0) -> FlowCall:
        key = (call, bound, spare)
        if key not in self._made:
            self._made[key] = FlowCall(call, bound, len(self._made), spare, vague)
        return self._made[key]

    @staticmethod
    def _stream(made: FlowCall, port: str, type_: PortType, read: tuple[Stream, ...]) -> Stream:
        trail = read[0].trail if len(read) == 1 else ()
        roots = frozenset(root for stream in read for root in stream.roots)
        calls = frozenset(call for stream in read for call in stream.calls) | {made.offered}
        return Stream((*trail, (FlowValue(made, port), type_)), roots, calls)

    def leads_to(self, kind: str, goal: str) -> bool:
        """Whether a value of one kind is one of the other."""
        return kind_fits(self.kinds, kind, goal)

    def givers(self, goal: str) -> set[str]:
        """The module types that give a kind, whatever they read."""
        return {
            call.type.id
            for call in self.offered
            if any(kind_fits(self.kinds, p.type.kind, goal) for p in call.signature.outputs.values())
        }


def _effort(way: Sequence[Offered]) -> float:
    return sum(0.25 if call.type.stateless else 1.0 for call in way)
