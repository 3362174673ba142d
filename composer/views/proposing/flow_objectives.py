"""Objectives of flows: a loss over what a flow gives and over targets that training brings, found by their types.

A text that a decoder writes is taught: another method of the decoder reads the same memory and the text that is to be
written, and the loss reads what it gives. Every other goal goes into a loss as it is.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product

from composer.graph.evaluations import fits, usual_metrics
from composer.graph.fitting import kind_fits
from composer.plugin import Registry
from composer.types import PortType
from composer.views.proposing.flow_targets import TargetInputs
from composer.views.proposing.flows import Bound, CallFlow, FlowCall, FlowValue
from composer.views.proposing.offered_calls import Offered, OfferedInput, calls_of

__all__ = ["FlowObjective", "ObjectiveFinder"]

LOSS = "scalar"
"""The kind that the checker asks of a loss."""
TARGET = "target"


@dataclass(frozen=True)
class FlowObjective:
    """What only training sees of a task: calls, the last of which gives the loss, and the inputs that they read."""

    calls: tuple[FlowCall, ...]
    targets: Mapping[str, OfferedInput]
    loss: FlowValue
    evaluation: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class _Readable:
    """A value that a loss can read, and the call that makes it where the task itself does not."""

    value: FlowValue
    type: PortType
    goal: FlowValue
    """What the task gives, which this trains."""
    taught: FlowCall | None = None


Choice = tuple[Offered, "tuple[_Readable | None, ...]"]
"""A loss with what each of its ports reads; None for a target."""


@dataclass
class ObjectiveFinder:
    """Finds objectives among the module types that may be used, the simplest first."""

    registry: Registry
    types: Sequence[str]
    _made: int = 0

    def of(
        self, flow: CallFlow, outputs: Mapping[FlowValue, str], sizes: Collection[int] = ()
    ) -> Iterator[FlowObjective]:
        """Objectives of a flow; whether one holds, the checker says.

        `outputs` are the names of what the task gives, `sizes` those that its values have, such as a number of classes.
        """
        kinds = {stream.value: stream.type.kind for stream in flow.streams}
        for loss, chosen in sorted(self._choices(list(self._values(flow))), key=self._rank):
            for calls, targets, made in self._objectives(loss, chosen, sizes):
                goal = next(each.goal for each in chosen if each is not None)
                value = FlowValue(made, next(iter(loss.signature.outputs)))
                evaluation = self._evaluation(goal, outputs, kinds, targets)
                yield FlowObjective((*calls, made), targets, value, evaluation)
                if evaluation:
                    yield FlowObjective((*calls, made), targets, value)

    def _choices(self, values: Sequence[_Readable]) -> Iterator[Choice]:
        """Every way in which a loss can read some of the values, each once, and targets for the rest."""
        for loss in self._losses:
            options: list[list[_Readable | None]] = [
                [*(each for each in values if self._fits(each.type, loss, name)), None]
                for name in loss.required
            ]
            for chosen in product(*options):
                read = [each.value for each in chosen if each is not None]
                if read and len(set(read)) == len(read):
                    yield loss, chosen

    @staticmethod
    def _rank(choice: Choice) -> tuple[int, bool, bool, str]:
        """Those with few targets first, then without weights, then of the family of what is taught; then by name."""
        loss, chosen = choice
        taught = (each.taught for each in chosen if each is not None and each.taught is not None)
        families = {call.offered.type.id.partition(".")[0] for call in taught}
        own = loss.type.id.partition(".")[0] in families
        return chosen.count(None), not loss.type.stateless, not own, loss.text

    @cached_property
    def _losses(self) -> list[Offered]:
        calls = [call for id in self.types for call in calls_of(self.registry.module_types[id])]
        return [
            call
            for call in calls
            if [port.type.kind for port in call.signature.outputs.values()] == [LOSS]
            and call.required
            and (call.method == "forward" or not call.type.stateless)  # a node names no method of such a type
            and not any(call.signature.inputs[name].many for name in call.required)
        ]

    @cached_property
    def _inputs(self) -> TargetInputs:
        return TargetInputs(self.registry)

    def _values(self, flow: CallFlow) -> Iterator[_Readable]:
        for stream in flow.streams:
            source = stream.value.source
            if not self.registry.kinds[stream.type.kind].has_objects:
                if isinstance(source, str) or not source.offered.generates:
                    yield _Readable(stream.value, stream.type, stream.value)
            elif isinstance(source, FlowCall) and source.offered.generates:
                yield from self._taught(source, stream.value)

    def _taught(self, written: FlowCall, goal: FlowValue) -> Iterator[_Readable]:
        """What other methods of a decoder give of the same memory and the text that is to be written."""
        memory = dict(written.inputs)
        target = self._inputs.of_vocabulary(written.offered)
        for call in calls_of(written.offered.type) if target is not None else ():
            rest = [name for name in call.required if name not in memory]
            ports = {
                name: port
                for name in rest
                for port, type_ in target.ports.items()  # type: ignore[union-attr]
                if self._fits(type_, call, name)
            }
            if call.generates or not rest or set(ports) != set(rest) or not set(memory) <= set(call.required):
                continue
            bound = tuple(
                (name, memory[name] if name in memory else (FlowValue(TARGET, ports[name]),))
                for name in call.required
            )
            made = self._call(call, bound)
            for port, given in call.signature.outputs.items():
                yield _Readable(FlowValue(made, port), given.type, goal, made)

    def _fits(self, given: PortType, call: Offered, port: str) -> bool:
        return kind_fits(self.registry.kinds, given.kind, call.signature.inputs[port].type.kind)

    def _objectives(
        self, loss: Offered, chosen: Sequence[_Readable | None], sizes: Collection[int]
    ) -> Iterator[tuple[list[FlowCall], dict[str, OfferedInput], FlowCall]]:
        """The calls before a loss, its targets, and the loss, with every input that could bring what it lacks."""
        read = [each for each in chosen if each is not None]
        taught = list(dict.fromkeys(each.taught for each in read if each.taught is not None))
        own = self._inputs.of_vocabulary(taught[0].offered) if taught else None
        lacking = [name for name, each in zip(loss.required, chosen, strict=True) if each is None]
        wanted = {loss.signature.inputs[name].type.kind: name for name in lacking}
        options = [
            self._inputs.giving(loss.signature.inputs[name].type, own, sizes) for name in wanted.values()
        ]
        for given in product(*options):
            targets = {} if own is None else {TARGET: own}
            places: dict[str, FlowValue] = {}
            for kind, (item, port) in zip(wanted, given, strict=True):
                name = TARGET if item is own or not targets else f"{TARGET}_{kind}"
                targets[name] = item
                places[kind] = FlowValue(name, port)
            bound: Bound = tuple(
                (name, (places[loss.signature.inputs[name].type.kind] if each is None else each.value,))
                for name, each in zip(loss.required, chosen, strict=True)
            )
            yield taught, targets, self._call(loss, bound)

    def _evaluation(
        self,
        goal: FlowValue,
        outputs: Mapping[FlowValue, str],
        kinds: Mapping[FlowValue, str],
        targets: Mapping[str, OfferedInput],
    ) -> dict[str, object]:
        """What is scored, against what, and the metrics that its kind has; nothing where there are none."""
        usual = usual_metrics([kinds[goal]], self.registry)
        if usual and targets:
            metrics = {name: each.metric.id for name, each in usual.items()}
            return {"output": outputs[goal], "reference": next(iter(targets)), "metrics": metrics}
        known = [m for m in self.registry.metrics.values() if fits(m, kinds.values(), self.registry)]
        metrics = {m.id.rpartition(".")[2]: m.id for m in known if not m.needs_reference and not targets}
        return {"output": list(outputs.values()), "metrics": metrics} if metrics else {}

    def _call(self, call: Offered, bound: Bound) -> FlowCall:
        self._made += 1
        return FlowCall(call, bound, -self._made)  # the calls of a search count up from 0
