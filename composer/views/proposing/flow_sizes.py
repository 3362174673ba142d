"""The sizes of a flow: which config fields have to be equal, by the checker's own solver, and what they are then."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from composer.graph.fitting import renamed_dim
from composer.graph.solver import Solver
from composer.plugin import Config
from composer.plugin.asking import ask, unchanged
from composer.types import UNBOUNDED, Dim, PortType, Symbol
from composer.views.proposing.flows import CallFlow, FlowValue
from composer.views.proposing.offered_calls import OfferedInput, field_symbol

__all__ = ["FlowSizes", "SizedPart"]

USUAL = (64, 128, 256, 512, 768, 1024, 32, 96)
"""Sizes that are tried where those of the examples do not go together."""
FieldOf = tuple[str, str]
"""The owner of a field (a module type, or an input) and its name."""


@dataclass
class SizedPart:
    """A module or an input, with the config that it gets."""

    model: type[Config]
    with_: dict[str, object]
    fields: dict[str, int]

    def takes(self, changes: Mapping[str, object]) -> bool:
        """Whether the config model accepts these values, too."""
        try:
            ask(self.model.model_validate, {**self.with_, **changes}, what="a config", accept=unchanged)
        except Exception:  # refusing is what a config model is asked for here, in whatever way it does
            return False
        return True


@dataclass
class FlowSizes:
    """`parameters` name the sizes that several fields share; `owners` hold configs that refer to them as `$name`."""

    flow: CallFlow
    inputs: Mapping[str, OfferedInput]
    owners: dict[str, SizedPart] = field(default_factory=dict)
    parameters: dict[str, int] = field(default_factory=dict)
    _solver: Solver = field(default_factory=Solver)

    def settle(self) -> bool:
        """Whether the sizes go together."""
        for name, given in self.inputs.items():
            self.owners[name] = SizedPart(given.modality.config, dict(given.with_), dict(given.fields))
        for call in self.flow.calls:
            offered = call.offered
            owner = self.owners.setdefault(
                offered.type.id, SizedPart(offered.type.config, dict(offered.with_), {})
            )
            owner.fields |= offered.fields
        if not all(self._unify(given, wanted) for given, wanted in self._edges()):
            return False
        # the largest first, so that the widths of two flows do not depend on the order of their calls
        for members in sorted(self._groups(), key=lambda group: -self._largest(group[1])):
            if not self._set(members):
                return False
        self._limit_inputs()
        return True

    def _edges(self) -> Iterator[tuple[PortType, PortType]]:
        for call in self.flow.calls:
            for port, values in call.inputs:
                wanted = _local(call.offered.signature.inputs[port].type, f"call {call.number}")
                for value in values:
                    yield self._type_of(value), wanted

    def _type_of(self, value: FlowValue) -> PortType:
        if isinstance(value.source, str):
            given = self.inputs[value.source]
            own: dict[str, Symbol] = {
                s: field_symbol(s.name, value.source)
                for d in given.ports[value.port].dims
                for s in d.symbols
                if s.lasting
            }
            return _local(given.ports[value.port], value.source, own)
        call = value.source
        return _local(call.offered.signature.outputs[value.port].type, f"call {call.number}")

    def _unify(self, given: PortType, wanted: PortType) -> bool:
        pairs = zip(given.dims, wanted.dims, strict=False)
        return all(self._solver.unify(offer, want) for offer, want in pairs)

    def _groups(self) -> Iterator[tuple[int | None, list[FieldOf]]]:
        """Fields that are equal, with the number that they are where something fixes it."""
        groups: dict[Dim, list[FieldOf]] = {}
        for name, owner in self.owners.items():
            for each in owner.fields:
                groups.setdefault(self._solver.normal(Dim.of(field_symbol(each, name))), []).append(
                    (name, each)
                )
        for dim, members in groups.items():
            yield (dim.constant if dim.is_number else None), members

    def _largest(self, members: Sequence[FieldOf]) -> int:
        return max(self.owners[owner].fields[name] for owner, name in members)

    def _set(self, group: tuple[int | None, list[FieldOf]]) -> bool:
        number, members = group
        bases = sorted({self.owners[owner].fields[name] for owner, name in members}, reverse=True)
        tried: Sequence[int] = (number,) if number is not None else (*self._across(members), *bases, *USUAL)
        for value in tried:
            changes: dict[str, dict[str, object]] = {}
            for owner, name in members:
                changes.setdefault(owner, {})[name] = value
            if all(self.owners[owner].takes(self._numbers(owner) | own) for owner, own in changes.items()):
                self._write(value, members, bases)
                return True
        return False

    def _across(self, members: Sequence[FieldOf]) -> list[int]:
        """The width on the other side of an adapter: with equal widths, flows with and without one can be compared."""
        adapters = {call.offered.type.id for call in self.flow.calls if call.offered.keeps}
        owners = [owner for owner, _ in members if owner in adapters]
        return [size for owner in owners for size in self._numbers(owner).values() if isinstance(size, int)]

    def _write(self, value: int, members: Sequence[FieldOf], bases: Sequence[int]) -> None:
        if len(members) == 1:
            ((owner, name),) = members
            if value != self.owners[owner].fields[name]:
                self.owners[owner].with_[name] = value
            return
        names = [name for _, name in members]
        name = max(dict.fromkeys(names), key=lambda each: (names.count(each), len(each)))
        parameter = next(
            n for n in (name, *(f"{name}_{i}" for i in range(2, 99))) if n not in self.parameters
        )
        self.parameters[parameter] = value
        for owner, each in members:
            self.owners[owner].with_[each] = f"${parameter}"

    def _numbers(self, owner: str) -> dict[str, object]:
        """What a config holds, with the values of parameters in the place of their names."""
        with_ = self.owners[owner].with_
        return {
            name: self.parameters[value[1:]]
            for name, value in with_.items()
            if isinstance(value, str) and value[:1] == "$" and value[1:] in self.parameters
        }

    def _limit_inputs(self) -> None:
        """Keep inputs to what their readers take, as where a text may not be longer than the positions."""
        for call in self.flow.calls:
            for port, values in call.inputs:
                for value in values:
                    if isinstance(value.source, str):
                        self._limit(
                            value, call.offered.signature.inputs[port].type, call.offered.signature.ranges
                        )

    def _limit(self, value: FlowValue, wanted: PortType, ranges: Mapping[str, tuple[int, int]]) -> None:
        name = str(value.source)
        limit, owner = self.inputs[name].modality.limit, self.owners[name]
        most = [ranges[s.name][1] for d in wanted.dims for s in d.symbols if s.name in ranges and d.is_symbol]
        most = [each for each in most if each < UNBOUNDED]
        if limit is None or not most:
            return
        given = owner.with_.get(limit)
        if (not isinstance(given, int) or given > min(most)) and owner.takes({limit: min(most)}):
            owner.with_[limit] = min(most)


def _local(port: PortType, owner: str, own: Mapping[str, Symbol] | None = None) -> PortType:
    """The port type with its symbols made the owner's own; those of config fields stay."""
    lasting: dict[str, Symbol] = {str(s): s for d in port.dims for s in d.symbols if s.lasting}
    lasting |= own or {}
    return port.with_dims(tuple(renamed_dim(d, owner, lasting) for d in port.dims))
