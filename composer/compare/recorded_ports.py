"""Between ports and recorded tensors: inputs filled with what was recorded, results read from the slots."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from composer.compare.case import Ones
from composer.execution.slot_values import Slots, TaskValues
from composer.plan import Plan
from composer.plugin import Hypothesis, Registry
from composer.problems import InputError
from composer.types import Dim

__all__ = ["feed", "read_port"]


def feed(
    plan: Plan, feeds: Mapping[str, str | Ones], inputs: Mapping[str, Tensor], registry: Registry
) -> dict[str, dict[str, object]]:
    """Input ports filled with recorded tensors: `input.port`, or `input.port.field` for a record."""
    fed: dict[str, dict[str, object]] = {name: {} for name in plan.inputs}
    fields: dict[tuple[str, str], dict[str, Tensor]] = {}
    for place, recorded in feeds.items():
        parts = place.split(".")
        if len(parts) not in (2, 3) or parts[0] not in fed:
            raise InputError(f"feeds: `{place}` is not an input port of this task (inputs: {', '.join(fed)})")
        key = recorded.ones_like if isinstance(recorded, Ones) else recorded
        if key not in inputs:
            raise InputError(f"feeds: nothing is recorded as `{key}` (inputs: {', '.join(sorted(inputs))})")
        value = torch.ones_like(inputs[key]) if isinstance(recorded, Ones) else inputs[key]
        if len(parts) == 2:
            fed[parts[0]][parts[1]] = value
        else:
            fields.setdefault((parts[0], parts[1]), {})[parts[2]] = value
    for (item_name, port), values in fields.items():
        fed[item_name][port] = _record(item_name, port, values, plan, registry)
    for name, item in plan.inputs.items():
        for port, declared in item.ports.items():
            if port not in fed[name]:
                raise InputError(f"feeds: input port `{name}.{port}` ({declared}) is fed by nothing")
            kind = registry.kinds[declared.kind]
            if not isinstance(fed[name][port], tuple):
                fed[name][port] = _with_axes(fed[name][port], declared.dims)
            if kind.record is not None and not isinstance(fed[name][port], tuple):
                fed[name][port] = kind.record(fed[name][port])
    _check_sizes(plan, fed, registry)
    return fed


def _with_axes(value: object, dims: Sequence[Dim]) -> object:
    """A tensor with the axes of size one that its port has: a picture may be recorded without an axis for frames."""
    single = [index for index, dim in enumerate(dims) if dim.is_number and dim.constant == 1]
    if isinstance(value, Tensor) and single and value.dim() == len(dims) - len(single):
        for index in single:
            value = value.unsqueeze(index)
    return value


def _record(item: str, port: str, values: Mapping[str, Tensor], plan: Plan, registry: Registry) -> object:
    """The record of a port, of fields that were fed one by one."""
    ports = plan.inputs[item].ports
    if port not in ports:
        raise InputError(
            f"feeds: `{item}.{port}` is not an input port of this task (ports: {', '.join(ports)})"
        )
    kind = registry.kinds[ports[port].kind]
    if kind.record is None:
        raise InputError(f"feeds: port {item}.{port} is one tensor, so it has no field {next(iter(values))}")
    unknown = [name for name in values if name not in kind.fields]
    missing = [name for name, field in kind.fields.items() if not field.optional and name not in values]
    if unknown or missing:
        fault = f"has no field {unknown[0]}" if unknown else f"needs the field {missing[0]}"
        raise InputError(f"feeds: port {item}.{port} {fault} (fields: {', '.join(kind.fields)})")
    return kind.record(**values)


def _check_sizes(plan: Plan, fed: TaskValues, registry: Registry) -> None:
    """Refuse what is recorded in another shape, or in numbers of another sort, than its port has."""
    every = list(_recorded(plan, fed, registry))
    sizes: dict[str, int] = {}
    first: dict[str, str] = {}
    for place, _, dims, tensor in every:
        for dim, size in zip(dims, tensor.shape, strict=False):
            if dim.is_symbol and dim.symbols[0] not in sizes:
                sizes[dim.symbols[0]], first[dim.symbols[0]] = size, place
    for place, dtype, dims, tensor in every:
        names = [str(dim.bare) for dim in dims]
        shown = f"{dtype}[{', '.join(names)}]"
        fits = tensor.dim() == len(dims) and tensor.is_floating_point() == (dtype == "float")
        for dim, name, size in zip(dims, names, tensor.shape, strict=False):
            wanted = dim.at_known(sizes)
            if wanted is None or wanted == size:
                continue
            fits = False
            if dim.is_symbol:
                shown += f", and {first[dim.symbols[0]]} has {wanted} for {name}"
            elif not dim.is_number:
                known = " and ".join(f"{first[s]} has {sizes[s]} for {s.name}" for s in dim.symbols)
                shown += f", and {known}, so {name} is {wanted}"
        if not fits:
            given = f"{str(tensor.dtype).removeprefix('torch.')}{list(tensor.shape)}"
            raise InputError(f"feeds: what is recorded for `{place}` is {given}, and the port takes {shown}")


def _recorded(
    plan: Plan, fed: TaskValues, registry: Registry
) -> Iterator[tuple[str, str, list[Dim], Tensor]]:
    """Every tensor that is fed: its place, and the numbers and dims that its port declares for it."""
    for (name, port), declared in plan.task.types.items():
        if name not in fed:
            continue
        value = fed[name][port]
        for position, (field, spec) in enumerate(registry.kinds[declared.kind].fields.items()):
            tensor = value[position] if isinstance(value, tuple) else value
            if tensor is not None:
                place = f"{name}.{port}.{field}" if isinstance(value, tuple) else f"{name}.{port}"
                yield place, spec.dtype, [declared.dims[index] for index in spec.dims], tensor


def read_port(
    port: str,
    plan: Plan,
    slots: Slots,
    hypotheses: Mapping[str, Sequence[Sequence[Hypothesis]]],
    recorded: Tensor,
) -> Tensor:
    """The tensor of `node.port`, `node.port.field` or `node.hypotheses.ids` (`.scores`, `.count`), once it has run."""
    node, _, rest = port.partition(".")
    if rest.startswith("hypotheses."):
        if node not in hypotheses:
            raise InputError(f"compare: `{node}` is not a generate node of this task")
        return _hypotheses(hypotheses[node], rest.partition(".")[2], recorded)
    name, _, field = rest.partition(".")
    if (node, name) not in plan.slots:
        known = ", ".join(".".join(endpoint) for endpoint in plan.slots)
        raise InputError(f"compare: `{port}` is not a port of this task (ports: {known})")
    value = slots[plan.slot((node, name))]
    if isinstance(value, tuple):
        value = getattr(value, field or type(value)._fields[0])  # type: ignore[attr-defined]
    if not isinstance(value, Tensor):
        raise InputError(f"compare: `{port}` holds no tensor")
    return value


def _hypotheses(found: Sequence[Sequence[Hypothesis]], what: str, recorded: Tensor) -> Tensor:
    """All hypotheses of all samples, padded as recordings are: ids with -1, scores with -inf."""
    if what == "count":
        return torch.tensor([len(h) for h in found])
    shape = {"scores": ("samples", "hypotheses"), "ids": ("samples", "hypotheses", "tokens")}.get(what)
    if shape is None:
        raise InputError(f"compare: hypotheses have ids, scores and count, not {what}")
    if recorded.dim() != len(shape) or len(recorded) != len(found):
        raise InputError(
            f"compare: hypotheses.{what} is recorded as {list(recorded.shape)}, and is "
            f"[{', '.join(shape)}] of {len(found)} samples"
        )
    kept = [hypotheses[: recorded.shape[1]] for hypotheses in found]
    if what == "scores":
        scores = torch.full(recorded.shape, -math.inf)
        for row, hypotheses in enumerate(kept):
            scores[row, : len(hypotheses)] = torch.tensor([each.score for each in hypotheses])
        return scores
    longest = max((len(each.ids) for hypotheses in kept for each in hypotheses), default=0)
    ids = torch.full((*recorded.shape[:2], max(longest, recorded.shape[2])), -1, dtype=torch.int64)
    for row, hypotheses in enumerate(kept):
        for column, each in enumerate(hypotheses):
            ids[row, column, : len(each.ids)] = torch.tensor(each.ids)
    return ids
