"""The free dimensions of a task: their names, their ranges, and the sizes that a request brings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from composer.graph import (
    BATCH,
    CheckedTask,
    FreeDim,
    Range,
    beyond_limits,
    free_dims,
    is_batch,
    parse_range,
)
from composer.plan import Plan
from composer.plugin import Registry
from composer.problems.suggest import unknown
from composer.types import Dim, PortType, Symbol
from composer_compile.errors import CompileError

__all__ = ["FreeDims", "check_overrides", "find_free_dims", "overrides_for"]

DEFAULT_BATCH = Range(1, 8, 1)
LONGEST = 512
"""Largest size of a free dimension that neither the document nor a module bounds."""


@dataclass(frozen=True)
class FreeDims:
    """What may vary between requests. `ranges` holds the free dimensions by name (`batch`, `question.length`).

    `host` gives every input's host ports with dims over those names; a length whose range is one number is a number.
    """

    ranges: Mapping[str, Range]
    host: Mapping[str, Mapping[str, PortType]]
    values: Mapping[str, Dim] = field(default_factory=dict)
    """What stands for each of the task's symbols: a free dimension, or the only size that it has."""
    arising: Mapping[str, Range] = field(default_factory=dict)
    """Free dimensions that no request brings: sizes of what nodes on the host make, such as tokens of a text."""
    made: Mapping[Symbol, str] = field(default_factory=dict)
    """The symbols that stand for those."""

    def sizes(self, which: str) -> dict[str, int]:
        """The `low`, `best` or `high` size of every free dimension."""
        return {name: getattr(found, which) for name, found in {**self.ranges, **self.arising}.items()}

    @property
    def open(self) -> dict[str, Range]:
        """Every free dimension that has several sizes, and every batch."""
        arising = {name: found for name, found in self.arising.items() if found.low != found.high}
        return {**self.ranges, **arising}


def find_free_dims(plan: Plan, registry: Registry, overrides: Mapping[str, str]) -> FreeDims:
    """The free dimensions of a plan's inputs, with the document's ranges and `--range` on top.

    Without a range the batch is 1 to 8, and a length is what the modules accept, 512 at most. Another input's own
    batch, `answers.batch`, has the range of `batch` where the modules take that.

    Raises:
        CompileError: an override names no free dimension, is not a range, or goes beyond what the modules take.
    """
    types = {
        input_: {port: plan.task.types[input_, port] for port in item.ports}
        for input_, item in plan.inputs.items()
    }
    made = plan.task.made_on_host(registry.kinds)
    brought = free_dims(types, registry.kinds, plan.task.ranges)
    table = free_dims({**types, **made}, registry.kinds, plan.task.ranges)
    written = {**(plan.task.compile.ranges if plan.task.compile else {}), **overrides}
    _check_names(plan.task, written, table, overrides)
    ranges: dict[str, Range] = {}
    arising: dict[str, Range] = {}
    values: dict[str, Dim] = {}
    for name, found in table.items():
        chosen = _range(name, plan.task, written, found.limits)
        if name not in written:
            chosen = _all_values(plan, types, found.symbols, ranges, chosen)
        # A batch stays a name where it has one size only: decoding must know which axis counts samples.
        is_fixed = chosen.low == chosen.high and not is_batch(name)
        values.update(dict.fromkeys(found.symbols, Dim(chosen.low) if is_fixed else Dim.of(name)))
        if name not in brought:
            arising[name] = chosen
        elif not is_fixed:
            ranges[name] = chosen
    _check_learnable(plan, types, values)
    host = {input_: _host_types(plan, input_, values) for input_ in plan.inputs}
    symbols = {symbol: name for name in arising for symbol in table[name].symbols}
    return FreeDims(ranges, host, values, arising, symbols)


def _all_values(
    plan: Plan,
    types: Mapping[str, Mapping[str, PortType]],
    symbols: Sequence[Symbol],
    ranges: Mapping[str, Range],
    otherwise: Range,
) -> Range:
    """Of what counts the values of an input of which samples have several: as many as all samples can have."""
    for name, item in plan.inputs.items():
        if item.several is None or Symbol(item.several.values, name) not in symbols:
            continue
        count = ranges.get(f"{name}.count", Range(1, 1, 1))
        batch = next((ranges[n] for n in (f"{name}.{BATCH}", BATCH) if n in ranges), DEFAULT_BATCH)
        return Range(1, batch.high * count.high, batch.best * count.best)
    return otherwise


def _check_learnable(
    plan: Plan, types: Mapping[str, Mapping[str, PortType]], values: Mapping[str, Dim]
) -> None:
    """A size that inputs show only rounded down, or multiplied with another such, cannot be told from a request."""
    every = [(name, found) for name, ports in types.items() for found in ports.values()]
    numbers = {symbol: value for symbol, value in values.items() if value.is_number}
    told = _told([dim.substitute(numbers) for _, found in every for dim in found.dims])
    for name, found in every:
        for dim in found.dims:
            hidden = [s for s in dim.symbols if s not in told and not values[s].is_number]
            if hidden:
                raise CompileError(
                    f"task `{plan.task.name}`: input `{name}` has the size `{dim.bare}`, and no input has the size "
                    f"`{hidden[0].name}`, so a request does not say what it is: give the whole size a symbol of its own"
                )


def _told(dims: Sequence[Dim]) -> set[Symbol]:
    """The symbols that a request shows: as a part of a sum, or as the one factor of a product that others leave."""
    told = {atom for dim in dims for atom, _ in dim.terms if isinstance(atom, Symbol)}
    found = True
    while found:
        found = False
        for dim in dims:
            left = dim.substitute(dict.fromkeys(told, Dim(1)))
            if left.is_linear and len(left.symbols) == 1 and left.symbols[0] not in told:
                told.add(left.symbols[0])
                found = True
    return told


def _check_names(
    task: CheckedTask, written: Mapping[str, str], table: Mapping[str, FreeDim], overrides: Mapping[str, str]
) -> None:
    known = {*table, BATCH}
    for name in overrides:
        if name not in known:
            raise CompileError(str(unknown("free dimension", name, sorted(known), f"task `{task.name}`")))


def _range(name: str, task: CheckedTask, written: Mapping[str, str], limits: tuple[int, int]) -> Range:
    low, high = limits
    if name in written:
        found = _parsed(name, written[name])
        beyond = beyond_limits(name, found, limits)
        if beyond is not None:
            raise CompileError(f"task `{task.name}`: {beyond}")
        return found
    if is_batch(name) and BATCH in written:
        found = _parsed(BATCH, written[BATCH])
        if beyond_limits(name, found, limits) is None:
            return found
    if is_batch(name) and low <= DEFAULT_BATCH.low:
        return DEFAULT_BATCH
    high = max(low, min(high, LONGEST))
    return Range(low, high, min(high, max(low, 16)))


def _parsed(name: str, text: str) -> Range:
    try:
        return parse_range(str(text))
    except ValueError as error:
        raise CompileError(f"range of `{name}`: {error}") from None


def _host_types(plan: Plan, input_: str, values: Mapping[str, Dim]) -> dict[str, PortType]:
    """Host ports with named dimensions in the place of the task's symbols."""
    return {
        port: replace(type_, dims=tuple(dim.substitute(values) for dim in type_.dims))
        for port, type_ in plan.host_types(input_).items()
    }


def check_overrides(plans: Iterable[Plan], ranges: Mapping[str, str]) -> None:
    """Raise CompileError for a `--range` that speaks of no input of any task."""
    inputs = sorted({name for plan in plans for name in plan.inputs})
    nodes = {name for plan in plans for name in plan.task.on_host}
    for name in ranges:
        if name != BATCH and name.partition(".")[0] not in {*inputs, *nodes}:
            raise CompileError(
                f"`{name}` is not a free dimension: write `{BATCH}`, or a dimension of an input ({', '.join(inputs)}), "
                f"such as {inputs[-1]}.length"
            )


def overrides_for(plan: Plan, ranges: Mapping[str, str]) -> dict[str, str]:
    """The part of `--range` that speaks of this task: it may be given for several tasks at once."""
    return {
        name: text
        for name, text in ranges.items()
        if name == BATCH or name.partition(".")[0] in {*plan.inputs, *plan.task.on_host}
    }
