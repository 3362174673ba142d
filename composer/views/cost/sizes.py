"""Sizes: numbers for the free dimensions of a task, by the names that `compile: {ranges: ...}` uses.

`batch` is the first dimension of every input; `question.length` is the dimension that the kind calls `length` on the input
(or, for a size that only shows while running, on the node) `question`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from composer.graph import CheckedTask, parse_range
from composer.language import nearest
from composer.plan import Plan
from composer.plugin import Registry
from composer.problems import InputError
from composer.types import Dim, PortType

__all__ = ["FreeDims", "Sizes", "free_dims", "sizes_for"]

BATCH = "batch"
LARGE = 1 << 16
DEFAULT_LENGTH = 32
"""Of a free dimension other than the batch, where neither the caller nor a `compile` range says more."""


@dataclass(frozen=True)
class FreeDims:
    """Name of a free dimension to the symbols that it sets. `batch` sets those that nothing more specific does."""

    names: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Sizes:
    """A number for every symbol of a task, and those numbers by the names for people."""

    symbols: Mapping[str, int]
    shown: Mapping[str, int]

    def shape(self, port: PortType) -> tuple[int, ...]:
        """The dimensions of a port type as numbers. Raises InputError where one would be below 1."""
        values = {symbol: Dim(size) for symbol, size in self.symbols.items()}
        numbers = tuple(dim.substitute(values).constant for dim in port.dims)
        if any(number < 1 for number in numbers):
            given = ", ".join(f"{name}={size}" for name, size in self.shown.items())
            raise InputError(f"at {given} a port would be {port.kind}{list(numbers)}: choose larger sizes")
        return numbers


def free_dims(plan: Plan, registry: Registry) -> FreeDims:
    """The free dimensions of a plan: those of its inputs first, then sizes that arise inside."""
    names: dict[str, list[str]] = {}
    named: set[str] = set()
    batches: list[str] = []
    inputs = [(name, port) for name, item in plan.inputs.items() for port in item.ports]
    inner = [endpoint for endpoint in plan.slots if endpoint[0] not in plan.inputs]
    for owner, port in (*inputs, *inner):
        found = plan.task.types[owner, port]
        kind = registry.kinds[found.kind]
        for label, dim in zip(kind.dims, found.dims, strict=True):
            for symbol in dim.symbols:
                if symbol in named:
                    continue
                named.add(symbol)
                if label == BATCH and owner in plan.inputs:
                    batches.append(symbol)
                    if len(batches) == 1:
                        continue
                names.setdefault(f"{owner}.{label}", []).append(symbol)
    head = {BATCH: tuple(batches)} if batches else {}
    return FreeDims({**head, **{name: tuple(symbols) for name, symbols in names.items()}})


def sizes_for(plan: Plan, registry: Registry, at: Mapping[str, int]) -> Sizes:
    """The numbers that `at` gives, completed by the `best` of the task's compile ranges, 1 for batches, 32 for the rest.

    Raises InputError for a size that a node of the task does not accept.
    """
    best = _best(plan.task)
    generated = {step.name for step in plan.steps if step.node.verb == "generate"}
    symbols: dict[str, int] = {}
    shown: dict[str, int] = {}
    for name, own in free_dims(plan, registry).names.items():
        owner, _, label = name.rpartition(".")
        default = shown.get(BATCH, 1) if BATCH in (name, label) else _longest(plan, own[0])
        size = at.get(name, best.get(name, default))
        symbols.update(dict.fromkeys(own, size))
        if owner not in generated or name in at:  # how long an answer gets follows from max_tokens
            shown[name] = size
    sizes = Sizes(symbols, shown)
    _check_ranges(plan, sizes)
    return sizes


def _longest(plan: Plan, symbol: str) -> int:
    """Of a size that arises inside, the largest that its node declares; otherwise the default."""
    name, _, owner = symbol.partition("@")
    node = plan.task.nodes.get(owner)
    high = node.signature.ranges.get(name, (1, LARGE))[1] if node is not None else LARGE
    return DEFAULT_LENGTH if high >= LARGE else high


def check_names(at: Mapping[str, int], known: Iterable[str]) -> None:
    """Raises InputError for a size whose name no task has, or that is no size."""
    names = sorted(set(known))
    for name, size in at.items():
        if name not in names:
            guess = nearest(name, names)
            did = f"; did you mean `{guess}`?" if guess else ""
            raise InputError(f"`{name}` is no free dimension{did} (free: {', '.join(names) or 'none'})")
        if size < 1:
            raise InputError(f"{name}={size} is no size: it must be at least 1")


def _best(task: CheckedTask) -> dict[str, int]:
    ranges = task.compile.ranges if task.compile is not None else {}
    return {name: parse_range(text).best for name, text in ranges.items()}


def _check_ranges(plan: Plan, sizes: Sizes) -> None:
    """Hold the sizes against the ranges that the signatures declare: a BERT encoder knows 512 positions."""
    for step in plan.steps:
        signature = step.node.signature
        for port, declared in signature.inputs.items():
            found = plan.task.wanted.get((step.name, port))
            if found is None:
                continue
            for dim, number in zip(declared.type.dims, sizes.shape(found), strict=True):
                low, high = (
                    signature.ranges.get(dim.symbols[0], (1, number)) if dim.is_symbol else (1, number)
                )
                if not low <= number <= high:
                    given = ", ".join(f"{name}={size}" for name, size in sizes.shown.items())
                    message = f"at {given} input `{port}` of node `{step.name}` has {dim} = {number}, and takes {low} to {high}"
                    raise InputError(message)
