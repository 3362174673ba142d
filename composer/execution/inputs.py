"""The inputs of a live task: what its plan says of them, and their arrays as tensors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from composer.execution.host_inputs import HostInput, HostInputs, HostPort, written_symbols
from composer.execution.processors import Processors
from composer.plan import Plan
from composer.types import Kind

__all__ = ["Inputs", "first_sample", "host_inputs", "nth_sample", "to_tensors"]


def host_inputs(plan: Plan, kinds: Mapping[str, Kind], shared: Processors | None = None) -> HostInputs:
    """The host side of a plan's requests. Processors are taken from `shared` where other plans have made them."""
    made = shared if shared is not None else Processors()
    types = {name: plan.host_types(name) for name in plan.inputs}
    names = written_symbols(types)
    inputs = {}
    for name, item in plan.inputs.items():
        ports = {
            port: HostPort(
                kinds[found.kind],
                found.with_dims(tuple(dim.renamed(names.__getitem__) for dim in found.dims)),
            )
            for port, found in types[name].items()
        }
        processor = made.of(item.modality, item.config)
        inputs[name] = HostInput(
            name, item.modality, item.config, processor, ports, item.several, item.default
        )
    limits = {name: plan.task.ranges[symbol] for symbol, name in names.items() if symbol in plan.task.ranges}
    return HostInputs(plan.task.name, inputs, limits)


class Inputs:
    """From the raw values of a request to the tensors of a live task."""

    def __init__(self, plan: Plan, kinds: Mapping[str, Kind], shared: Processors | None = None) -> None:
        self.host = host_inputs(plan, kinds, shared)

    def encode(
        self, raw: Mapping[str, object], device: torch.device, dtype: torch.dtype | None = None
    ) -> tuple[dict[str, dict[str, Any]], bool]:
        """Host ports of every input as tensors, and whether the caller gave single values rather than lists.

        `dtype` is the number format of the model, which floating-point values are cast to. Raises InputError for
        missing, unexpected or unequal inputs, and for values that do not fit.
        """
        self.host.check_names(raw)
        whole = self.host.whole(raw)
        return self.tensors(self.host.arrays(whole, whole), device, dtype), self.host.is_single(raw)

    @staticmethod
    def tensors(
        arrays: Mapping[str, Mapping[str, object]], device: torch.device, dtype: torch.dtype | None = None
    ) -> dict[str, dict[str, Any]]:
        """Arrays of host ports as tensors."""
        return {
            name: {port: to_tensors(value, device, dtype) for port, value in ports.items()}
            for name, ports in arrays.items()
        }


def to_tensors(value: object, device: torch.device | None = None, dtype: torch.dtype | None = None) -> Any:
    """Arrays as tensors, in records too; lists, such as texts, stay. `dtype` is what real numbers are cast to."""
    if isinstance(value, np.ndarray):
        tensor = torch.from_numpy(value)
        return tensor.to(device, dtype if tensor.is_floating_point() else None)
    if isinstance(value, tuple):
        fields = [None if item is None else to_tensors(item, device, dtype) for item in value]
        return type(value)(*fields)  # type: ignore[arg-type]
    return value


def first_sample(value: Any, kind: Kind) -> object:
    """The only sample of a batch, of a value of this kind."""
    return _sample(value, kind, 0)


def nth_sample(value: Any, kind: Kind, index: int, *, pad: int | None = None) -> Any:
    """One sample of a batch, without what fills it up to the longest one.

    That is what the mask of its kind hides at either end, and the ids `pad` at its end, where there is one.
    """
    found = _sample(value, kind, index)
    if pad is not None:
        return _unpadded(found, pad)
    if kind.mask is None or kind.batch_axis is None:
        return found
    shown: Any = dict(zip(kind.fields, _parts(found, kind), strict=True))
    mask = shown[kind.mask]
    if mask is None or mask.ndim != 1:
        return found
    (axis,) = (axis for axis in kind.fields[kind.mask].dims if axis != kind.batch_axis)
    seen = mask.nonzero()
    first, count = (int(seen[0]), int(seen[-1]) - int(seen[0]) + 1) if len(seen) else (0, 0)
    if count == len(mask):
        return found
    for label, field in kind.fields.items():
        own = [each for each in field.dims if each != kind.batch_axis]
        if shown[label] is not None and axis in own:
            shown[label] = shown[label].narrow(own.index(axis), first, count)
    assert kind.record is not None
    return kind.record(**shown)


def _unpadded(ids: Any, pad: int) -> Any:
    kept = (ids != pad).nonzero()
    return ids[: int(kept[-1]) + 1 if len(kept) else 0]


def _parts(value: Any, kind: Kind) -> tuple[Any, ...]:
    return tuple(value) if kind.record is not None else (value,)


def _sample(value: Any, kind: Kind, index: int) -> Any:
    if kind.batch_axis is None:
        return value
    found = [
        None if part is None else _at(part, field.dims.index(kind.batch_axis), index)
        for field, part in zip(kind.fields.values(), _parts(value, kind), strict=True)
    ]
    return found[0] if kind.record is None else kind.record(*found)


def _at(part: Any, axis: int, index: int) -> Any:
    if isinstance(part, list):
        return part[index]
    return part.select(axis, index) if getattr(part, "ndim", 0) > axis else part
