"""The free dimensions of a task: their names, their ranges, and the sizes that a request brings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from composer.graph import CheckedTask, Range, parse_range
from composer.plan import Plan
from composer.plugin import Registry
from composer.types import Dim, PortType
from composer_compile.errors import CompileError

__all__ = ["BATCH", "FreeDims", "check_overrides", "find_free_dims", "is_batch", "overrides_for"]

BATCH = "batch"
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
    batch: Mapping[str, Dim]
    """The first dim of every input."""

    def sizes(self, which: str) -> dict[str, int]:
        """The `low`, `best` or `high` size of every free dimension."""
        return {name: getattr(found, which) for name, found in self.ranges.items()}


def find_free_dims(plan: Plan, registry: Registry, overrides: Mapping[str, str]) -> FreeDims:
    """The free dimensions of a plan's inputs, with the document's ranges and `--range` on top.

    Without a range the batch is 1 to 8, and a length is what the modules accept, 512 at most.

    Raises:
        CompileError: an override names no free dimension, or is no range.
    """
    names = _names(plan, registry)
    written = {**(plan.task.compile.ranges if plan.task.compile else {}), **overrides}
    _check_names(plan.task, written, names, overrides)
    limits = _limits(plan)
    ranges: dict[str, Range] = {}
    values: dict[str, Dim] = {}
    for symbol, name in names.items():
        chosen = _range(name, written, limits.get(symbol))
        # A batch stays a name where it has one size only: decoding must know which axis counts samples.
        is_fixed = chosen.low == chosen.high and not is_batch(name)
        values[symbol] = Dim(chosen.low) if is_fixed else Dim(0, ((name, 1),))
        if not is_fixed:
            ranges[name] = chosen
    host = {input_: _host_types(plan, input_, values) for input_ in plan.inputs}
    batch = {input_: next(iter(ports.values())).dims[0] for input_, ports in host.items()}
    return FreeDims(ranges, host, batch)


def _names(plan: Plan, registry: Registry) -> dict[str, str]:
    """Symbol of the checker → name of the free dimension: `batch`, or `input.dimension`."""
    names: dict[str, str] = {}
    for input_, item in plan.inputs.items():
        for port in item.ports:
            found = plan.task.types[input_, port]
            kind = registry.kinds[found.kind]
            for position, (dim, label) in enumerate(zip(found.dims, kind.dims, strict=True)):
                for symbol in dim.symbols:
                    first = BATCH if BATCH not in names.values() else f"{input_}.{BATCH}"
                    names.setdefault(symbol, first if position == 0 else f"{input_}.{label}")
    return names


def _check_names(
    task: CheckedTask, written: Mapping[str, str], names: Mapping[str, str], overrides: Mapping[str, str]
) -> None:
    known = {*names.values(), BATCH}
    for name in overrides:
        if name not in known:
            raise CompileError(
                f"`{name}` is no free dimension of task `{task.name}`; free are {', '.join(sorted(known))}"
            )


def _limits(plan: Plan) -> dict[str, tuple[int, int]]:
    """What the signatures of the called modules say about a symbol's range."""
    limits: dict[str, tuple[int, int]] = {}
    for step in plan.steps:
        for port, declared in step.node.signature.inputs.items():
            slot = step.sources.get(port)
            if not isinstance(slot, int):
                continue
            for dim, given in zip(declared.type.dims, plan.type_of(slot).dims, strict=False):
                if dim.is_symbol and given.is_symbol and dim.symbols[0] in step.node.signature.ranges:
                    low, high = step.node.signature.ranges[dim.symbols[0]]
                    before = limits.get(given.symbols[0], (1, high))
                    limits[given.symbols[0]] = (max(low, before[0]), min(high, before[1]))
    return limits


def _range(name: str, written: Mapping[str, str], limit: tuple[int, int] | None) -> Range:
    text = written.get(name, written.get(BATCH) if is_batch(name) else None)
    if text is not None:
        try:
            return parse_range(str(text))
        except ValueError as error:
            raise CompileError(f"range of `{name}`: {error}") from None
    if is_batch(name) and (limit is None or limit[0] <= DEFAULT_BATCH.low):
        return DEFAULT_BATCH
    low, high = limit or (1, LONGEST)
    high = max(low, min(high, LONGEST))
    return Range(low, high, min(high, max(low, 16)))


def _host_types(plan: Plan, input_: str, values: Mapping[str, Dim]) -> dict[str, PortType]:
    """Host ports with the task's symbols in place of the input's own, and those replaced by named dimensions."""
    item = plan.inputs[input_]
    own: dict[str, Dim] = {}
    for port, declared in item.ports.items():
        for dim, found in zip(declared.dims, plan.task.types[input_, port].dims, strict=True):
            if dim.is_symbol:
                own[dim.symbols[0]] = found
    host = item.host or item.ports
    return {
        port: PortType(type_.kind, tuple(dim.substitute(own).substitute(values) for dim in type_.dims))
        for port, type_ in host.items()
    }


def is_batch(name: str) -> bool:
    """Whether a free dimension counts samples."""
    return name == BATCH or name.endswith(f".{BATCH}")


def check_overrides(plans: Iterable[Plan], ranges: Mapping[str, str]) -> None:
    """Raise CompileError for a `--range` that speaks of no input of any task."""
    inputs = sorted({name for plan in plans for name in plan.inputs})
    for name in ranges:
        if name != BATCH and name.partition(".")[0] not in inputs:
            raise CompileError(
                f"`{name}` is no free dimension: write `{BATCH}`, or a dimension of an input ({', '.join(inputs)}), "
                f"such as {inputs[-1]}.length"
            )


def overrides_for(plan: Plan, ranges: Mapping[str, str]) -> dict[str, str]:
    """The part of `--range` that speaks of this task: it may be given for several tasks at once."""
    return {
        name: text for name, text in ranges.items() if name == BATCH or name.partition(".")[0] in plan.inputs
    }
