"""Sizes: numbers for the free dimensions of a task, by the names that `compile: {ranges: ...}` uses.

`batch` is the first dimension of every input; `question.length` is the dimension that the kind calls `length` on the
input (or, for a size that only shows while running, on the node) `question`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from composer.graph import (
    BATCH,
    CheckedTask,
    Endpoint,
    FreeDim,
    endpoints_of,
    free_dim,
    is_batch,
    parse_range,
)
from composer.graph import free_dims as free_dims_of_inputs
from composer.plan import Plan, Step
from composer.plugin import Registry
from composer.problems import InputError
from composer.problems.suggest import unknown
from composer.types import UNBOUNDED, PortType, Symbol

__all__ = ["NamedSizes", "free_dims", "sizes_for"]

DEFAULT_LENGTH = 32
"""Of a free dimension other than the batch, where neither the caller nor a `compile` range says more."""


@dataclass(frozen=True)
class NamedSizes:
    """A number for every symbol of a task, and those numbers by the names for people."""

    symbols: Mapping[str, int]
    shown: Mapping[str, int]

    def shape(self, port: PortType) -> tuple[int, ...]:
        """The dimensions of a port type as numbers. Raises InputError where one would be below 1."""
        numbers = tuple(dim.at(self.symbols) for dim in port.dims)
        if any(number < 1 for number in numbers):
            given = ", ".join(f"{name}={size}" for name, size in self.shown.items())
            raise InputError(f"at {given} a port would be {port.kind}{list(numbers)}: choose larger sizes")
        return numbers


def free_dims(plan: Plan, registry: Registry) -> dict[str, FreeDim]:
    """The free dimensions of a plan: those of its inputs first, then sizes that arise and are read inside it.

    `batch` sets every batch that nothing more specific does.
    """
    inputs = {
        owner: {port: plan.task.types[owner, port] for port in item.ports}
        for owner, item in plan.inputs.items()
    }
    ranges = plan.task.ranges
    table = free_dims_of_inputs(inputs, registry.kinds, ranges)
    batches = [symbol for name, found in table.items() if is_batch(name) for symbol in found.symbols]
    if batches:
        table = {**table, BATCH: replace(table[BATCH], symbols=tuple(batches))}
    named = {symbol for found in table.values() for symbol in found.symbols}
    arising: dict[str, list[Symbol]] = {}
    read = {endpoint for step in plan.steps for endpoint in _endpoints(step)}
    for owner, port in plan.slots:
        if owner in plan.inputs or (owner, port) not in read:
            continue  # how long an answer gets follows from its node, and nothing else depends on it
        found_type = plan.task.types[owner, port]
        for label, dim in zip(registry.kinds[found_type.kind].dims, found_type.dims, strict=True):
            for symbol in dim.symbols:
                if symbol not in named:
                    named.add(symbol)
                    arising.setdefault(f"{owner}.{label}", []).append(symbol)
    return {**table, **{name: free_dim(name, symbols, ranges) for name, symbols in arising.items()}}


def sizes_for(plan: Plan, registry: Registry, at: Mapping[str, int]) -> NamedSizes:
    """The numbers that `at` gives, completed by the `best` of the task's compile ranges, then by 1 for batches and 32
    for other sizes, as near as what the nodes accept allows.

    Raises InputError for a size that a node of the task does not accept.
    """
    best = _best(plan.task)
    symbols: dict[str, int] = {}
    shown: dict[str, int] = {}
    single = {Symbol(item.several.count, n) for n, item in plan.inputs.items() if item.several is not None}
    for name, found in free_dims(plan, registry).items():
        counted = at.get(BATCH, best.get(BATCH, 1)) if is_batch(name) else 1
        default = counted if is_batch(name) or found.symbols[0] in single else DEFAULT_LENGTH
        low, high = found.limits
        size = at.get(name, best.get(name, min(max(default, low), high)))
        symbols.update(dict.fromkeys(found.symbols, size))
        shown[name] = size
    for port in (*plan.task.types.values(), *plan.task.wanted.values()):
        for symbol in (s for dim in port.dims for s in dim.symbols):
            low, high = plan.task.limits(symbol)
            symbols.setdefault(symbol, high if high < UNBOUNDED else max(low, DEFAULT_LENGTH))
    sizes = NamedSizes(symbols, shown)
    _check_ranges(plan, sizes)
    return sizes


def _endpoints(step: Step) -> Iterator[Endpoint]:
    for source in step.node.sources.values():
        yield from endpoints_of(source)


def check_names(at: Mapping[str, int], known: Iterable[str]) -> None:
    """Raises InputError for a size whose name no task has, or that is not a size."""
    names = sorted(set(known))
    for name, size in at.items():
        if name not in names:
            raise unknown("free dimension", name, names)
        if size < 1:
            raise InputError(f"{name}={size} is not a size: it must be at least 1")


def _best(task: CheckedTask) -> dict[str, int]:
    ranges = task.compile.ranges if task.compile is not None else {}
    return {name: parse_range(text).best for name, text in ranges.items()}


def _check_ranges(plan: Plan, sizes: NamedSizes) -> None:
    """Hold the sizes against the ranges that the signatures declare: a BERT encoder knows 512 positions."""
    for step in plan.steps:
        signature = step.node.signature
        for port, declared in signature.inputs.items():
            found = plan.task.wanted.get((step.name, port))
            if found is None:
                continue
            for dim, number in zip(declared.type.dims, sizes.shape(found), strict=True):
                low, high = signature.limits(dim.symbols[0]) if dim.is_symbol else (1, UNBOUNDED)
                if not low <= number <= high:
                    given = ", ".join(f"{name}={size}" for name, size in sizes.shown.items())
                    takes = f"at least {low}" if high >= UNBOUNDED else f"{low} to {high}"
                    message = f"at {given} input `{port}` of node `{step.name}` has {dim} = {number}, and takes {takes}"
                    raise InputError(message)
