"""Rows of a batch that share values: what depends on these alone runs once for each value, not once for each row.

The steps of a task are parted by the inputs that they depend on. A part runs on as many rows as there are different
values of its inputs; where a step of another part reads a result, each of its rows takes the one that belongs to it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from composer.execution.host_inputs import Arrays, HostInputs
from composer.execution.node_errors import hold_outputs, node_errors
from composer.execution.row_groups import EVERY_ROW, Inputs, RowGroups, row_groups, values_alone
from composer.execution.same_values import SameValues, is_same
from composer.execution.slot_values import Slots, TaskValues
from composer.graph import Read
from composer.plan import Plan
from composer.plugin import Seed
from composer.types import COUNTS, ITEMS, Dim, Kind

if TYPE_CHECKING:
    from composer.execution.runner import Runner

__all__ = ["RowSharing", "SharedBatch", "sharing_of"]


@dataclass(frozen=True)
class SharedBatch:
    """A batch that was read, with the rows that its parts have."""

    tensors: TaskValues
    """Each input with one row for every value that its part tells apart."""
    rows: Mapping[Inputs, RowGroups]
    alone: Mapping[Inputs, list[object]]
    """The raw values of parts that have one row."""


class RowSharing:
    """How the steps of a task go through a batch whose rows share values."""

    def __init__(
        self,
        runner: Runner,
        depends: Mapping[str, Inputs],
        fit: Callable[[dict[str, Arrays]], TaskValues],
    ) -> None:
        plan = runner.plan
        self.runner, self.host, self._fit = runner, runner.inputs.host, fit
        self.depends = depends
        """The inputs that each input and each step depends on."""
        self.makers = {slot: name for slot, (name, _) in enumerate(plan.slots)}
        found = dict.fromkeys(depends[step.name] for step in plan.steps)
        self.parts = sorted(found, key=len)
        """What steps depend on; a part stands behind those whose results it reads."""
        self._kept: dict[Inputs, tuple[list[object], dict[int, Any]]] = {}

    def fitted(self, raw: Mapping[str, object], same: SameValues) -> SharedBatch | None:
        """See `composer.execution.task_reader.SharesRows`."""
        every = {*self.parts, *(self.depends[name] for name in self.host.inputs)}
        rows = row_groups(self.host, raw, every)
        count = self.host.samples(raw)
        if all(len(rows[inputs].firsts) == count for inputs in self.parts):
            return None
        return SharedBatch(self._fit(self._read(raw, rows, same)), rows, self._alone(raw, rows))

    def _read(
        self, raw: Mapping[str, object], rows: Mapping[Inputs, RowGroups], same: SameValues
    ) -> dict[str, Arrays]:
        """The arrays of all inputs, each with the rows of its part. Raises InputError as `HostInputs.arrays` does."""
        values = {name: self.host.values(name, raw) for name in self.host.per_sample}
        arrays: dict[str, Arrays] = {}
        for inputs in dict.fromkeys(self.depends[name] for name in self.host.inputs):
            names = [name for name in self.host.inputs if self.depends[name] == inputs]
            own = {**raw, **{n: [each[row] for row in rows[inputs].firsts] for n, each in values.items()}}
            known = same.known(self.host, own, names, again=len(rows[inputs].firsts) == 1)
            arrays |= self.host.arrays(own, names, known)
        self.host.hold_together(arrays, grouped=True)
        return arrays

    def _alone(
        self, raw: Mapping[str, object], rows: Mapping[Inputs, RowGroups]
    ) -> dict[Inputs, list[object]]:
        """The raw values of every part of which all rows have the same ones."""
        found = {inputs: values_alone(self.host, raw, inputs, rows[inputs]) for inputs in self.parts}
        return {inputs: values for inputs, values in found.items() if values is not None}

    def slots(self, batch: SharedBatch, seed: Seed | None) -> Slots:
        """Run all steps; every output has all rows. Raises NodeError where a node fails."""
        self.runner.check_open()
        found = self.runner.program.load_inputs(batch.tensors)
        for inputs in self.parts:
            for slot, value in self._results(inputs, found, batch, seed).items():
                found[slot] = value
        hold_outputs(self.runner.plan, found)
        count = len(next(iter(batch.rows.values())).group)
        for slot in self.runner.plan.outputs.values():
            found[slot] = self._picked(slot, found[slot], batch.rows, range(count))
        return found

    def _results(
        self, inputs: Inputs, found: Slots, batch: SharedBatch, seed: Seed | None
    ) -> Mapping[int, Any]:
        """What the steps of a part give, by slot. What one value gave is kept for the next batch that has it alone."""
        values = batch.alone.get(inputs)
        kept = self._kept.get(inputs)
        if values is not None and kept is not None and is_same(values, kept[0]):
            return kept[1]
        plan, firsts = self.runner.plan, batch.rows[inputs].firsts
        steps = [step for step in plan.steps if self.depends[step.name] == inputs]
        slots: Slots = [None] * len(found)
        for slot in {slot for step in steps for slot in step.slots}:
            slots[slot] = self._picked(slot, found[slot], batch.rows, firsts)
        names = [step.name for step in steps]
        with node_errors(plan, slots, names):
            self.runner.walk(slots, _seeds(seed, firsts), names)
        results = {slot: slots[slot] for step in steps for slot in step.targets.values()}
        if values is not None:
            self._kept[inputs] = values, results
        return results

    def _picked(self, slot: int, value: Any, rows: Mapping[Inputs, RowGroups], wanted: Sequence[int]) -> Any:
        """The value of a slot, with the rows of a batch that are wanted."""
        own = self.depends[self.makers[slot]]
        places = [rows[own].group[row] for row in wanted]
        if not own or places == list(range(len(rows[own].firsts))):
            return value
        return _taken(value, self.runner.kinds[self.runner.plan.type_of(slot).kind], places)


def sharing_of(runner: Runner, fit: Callable[[dict[str, Arrays]], TaskValues]) -> RowSharing | None:
    """How a task shares; None where rows of its batches cannot be told apart. `fit` makes tensors of arrays."""
    plan, kinds, host = runner.plan, runner.kinds, runner.inputs.host
    samples = _batch(plan, kinds, host)
    if samples is None or _is_tied(plan, kinds, host, samples):
        return None
    seeded = [name for name, each in runner.generators.items() if each.search.policy.seeded]
    return RowSharing(runner, _dependencies(plan, kinds, host, seeded, samples), fit)


def _is_tied(plan: Plan, kinds: Mapping[str, Kind], host: HostInputs, samples: Dim) -> bool:
    """Whether samples of a batch belong together: a node compares them, or values of one are counted by another."""
    for slot, (maker, _) in enumerate(plan.slots):
        declared = plan.type_of(slot)
        if declared.kind == COUNTS:
            return True
        if maker not in plan.inputs:
            if _mixes(plan, kinds, slot, samples):
                return True
            continue
        if maker not in host.per_sample:
            continue
        counted = host.followed(maker)
        rows = kinds[declared.kind].batch_of(declared.dims)
        has_own_rows = rows not in (None, samples) and plan.inputs[maker].several is None
        if has_own_rows or not set(counted) <= set(host.per_sample):
            return True
    return False


def _batch(plan: Plan, kinds: Mapping[str, Kind], host: HostInputs) -> Dim | None:
    """What counts the samples of a task; None where nothing does, or their number is fixed."""
    for name in host.per_sample[:1]:
        for port in plan.inputs[name].ports:
            declared = plan.task.types[name, port]
            batch = kinds[declared.kind].batch_of(declared.dims)
            if batch is not None:
                return batch if batch.is_symbol else None
    return None


def _mixes(plan: Plan, kinds: Mapping[str, Kind], slot: int, samples: Dim) -> bool:
    """Whether a value has samples beside its batch, as the scores of all pairs of them have."""
    declared = plan.type_of(slot)
    axis = kinds[declared.kind].batch_axis
    others = [dim for number, dim in enumerate(declared.dims) if number != axis]
    return any(samples.symbols[0] in dim.symbols for dim in others)


def _dependencies(
    plan: Plan, kinds: Mapping[str, Kind], host: HostInputs, seeded: Collection[str], samples: Dim
) -> dict[str, Inputs]:
    """The inputs that each input and each step depends on.

    A value whose rows are not those of samples, such as one row for each of several pictures, is read by steps of its
    own part alone: its maker then depends on what its reader does.
    """
    per_sample = frozenset(host.per_sample)
    found = {name: frozenset({name, *host.followed(name)}) & per_sample for name in plan.inputs}
    found |= {step.name: frozenset({EVERY_ROW} if step.name in seeded else ()) for step in plan.steps}

    whole = per_sample | {EVERY_ROW}
    makers = [name for name, _ in plan.slots]
    counting = _counting(plan, host)

    def is_apart(slot: int) -> bool:
        declared = plan.type_of(slot)
        if declared.kind == ITEMS or makers[slot] in counting or _mixes(plan, kinds, slot, samples):
            return False
        return kinds[declared.kind].batch_of(declared.dims) == samples

    before: dict[str, Inputs] = {}
    while before != found:
        before = dict(found)
        for step in plan.steps:
            found[step.name] = found[step.name].union(*(found[makers[slot]] for slot in step.slots))
            for slot in step.slots:
                if found[makers[slot]] and not is_apart(slot):
                    found[makers[slot]] |= found[step.name]
        for slot in plan.outputs.values():
            if found[makers[slot]] and not is_apart(slot):
                found[makers[slot]] |= whole
    return found


def _counting(plan: Plan, host: HostInputs) -> set[str]:
    """Inputs, and nodes that read, whose values say where those of others stand."""
    reading = [(step.name, step.node.callee) for step in plan.steps]
    nodes = {name for name, callee in reading if isinstance(callee, Read) and callee.modality.follows}
    return nodes | {name for name in plan.inputs if host.followed(name)}


def _seeds(seed: Seed | None, rows: Sequence[int]) -> Seed | None:
    return seed if seed is None or isinstance(seed, int) else [seed[row] for row in rows]


def _taken(value: Any, kind: Kind, places: list[int]) -> Any:
    """The rows of a value at these places."""
    parts = value if kind.record is not None else (value,)
    found = [
        _rows_of(part, field.dims.index(kind.batch_axis), places)
        if part is not None and kind.batch_axis in field.dims
        else part
        for field, part in zip(kind.fields.values(), parts, strict=True)
    ]
    return found[0] if kind.record is None else kind.record(*found)


def _rows_of(part: Any, axis: int, places: list[int]) -> Any:
    if isinstance(part, list):
        return [part[place] for place in places]
    if part.ndim <= axis:
        return part
    return part.index_select(axis, torch.tensor(places, device=part.device))
