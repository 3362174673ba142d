"""Outputs held against their port types, and against each other."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from composer.conformance.report import Failure
from composer.conformance.sample_inputs import fields_of
from composer.execution.slot_values import PortValues
from composer.types import Field, Kind, Port
from composer.types.gaps import gap

__all__ = ["difference", "hold_to_type", "tensors_of"]

SHOWN = 80
"""Characters of a list in a message."""
RELATIVE, ABSOLUTE = 1e-4, 1e-5
"""How far two ways to compute the same may differ: kernels of another shape add in another order."""


def hold_to_type(name: str, value: object, port: Port, kind: Kind, sizes: dict[str, int]) -> None:
    """Raises Failure where a value is not what its port type says.

    Symbols that no input has are learnt from the first field that shows them, and added to `sizes`.
    """
    if kind.record is not None and type(value) is not kind.record:
        raise Failure(f"{name}: expected {port.type} as {kind.record.__name__}, got {_found(value)}")
    for field_name, field in kind.fields.items():
        item = fields_of(kind, value)[field_name]
        place = name if kind.record is None else f"{name}.{field_name}"
        if item is None and field.optional:
            continue
        if field.dtype == "object":
            _hold_list(place, item, port, kind, sizes)
            continue
        if not isinstance(item, Tensor):
            raise Failure(f"{place}: expected a tensor of {port.type}, got {_found(item)}")
        _hold_shape(place, item, port, field, sizes)
        if field.dtype == "float" and item.is_floating_point() and item.dtype != torch.float32:
            raise Failure(
                f"{place}: expected float values as the inputs have, float32, got {_dtype(item)}: give its constants "
                "the `dtype` of an input, and cast back what is computed in another"
            )
        if not _dtype_fits(item, field):
            raise Failure(f"{place}: expected {field.dtype} values, got {_dtype(item)}")


def _hold_list(place: str, item: object, port: Port, kind: Kind, sizes: dict[str, int]) -> None:
    """Objects that stay on the host are a list with one for each sample."""
    samples = kind.batch_of(port.type.dims)
    expected = None if samples is None else samples.at_known(sizes)
    if not isinstance(item, list) or expected not in (None, len(item)):
        of = f" of {expected}" if expected is not None else ""
        length = f" of {len(item)}" if isinstance(item, list) else ""
        raise Failure(f"{place}: expected a list{of} for {port.type}, got {_found(item)}{length}")


def _hold_shape(place: str, item: Tensor, port: Port, field: Field, sizes: dict[str, int]) -> None:
    dims = [port.type.dims[index] for index in field.dims]
    if len(dims) == item.ndim:
        for dim, size in zip(dims, item.shape, strict=True):
            if dim.is_symbol:
                sizes.setdefault(dim.symbols[0], size)
    expected = [dim.at_known(sizes) for dim in dims]
    if len(dims) != item.ndim or any(e not in (None, s) for e, s in zip(expected, item.shape, strict=True)):
        bound = ", ".join(f"{s}={sizes[s]}" for dim in dims for s in dim.symbols if s in sizes)
        declared = f"{port.type.kind}[{', '.join(map(str, dims))}]"
        at = f" at {bound}" if bound else ""
        raise Failure(f"{place}: expected {declared}, got {list(item.shape)}{at}")


def _dtype_fits(item: Tensor, field: Field) -> bool:
    if field.dtype == "float":
        return item.is_floating_point()
    return str(item.dtype) == f"torch.{field.dtype}"


def _dtype(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _found(value: object) -> str:
    return f"a tensor {list(value.shape)}" if isinstance(value, Tensor) else type(value).__name__


def tensors_of(
    values: PortValues, ports: Mapping[str, Port], kinds: Mapping[str, Kind]
) -> dict[str, Tensor | list[object]]:
    """Every tensor of some ports' values, by `port` or `port.field`; lists of what stays on the host, too."""
    found: dict[str, Tensor | list[object]] = {}
    for name, value in values.items():
        kind = kinds[ports[name].type.kind]
        for field_name, item in fields_of(kind, value).items():
            if isinstance(item, (Tensor, list)):
                found[name if kind.record is None else f"{name}.{field_name}"] = item
    return found


def _same(one: object, other: object, exact: bool) -> bool:
    """Whether two values of the host are equal, numbers as nearly as those of tensors are."""
    if isinstance(one, float) and isinstance(other, float) and not exact:
        return math.isclose(one, other, rel_tol=RELATIVE, abs_tol=ABSOLUTE)
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_same(one[key], other[key], exact) for key in one)
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return len(one) == len(other) and all(_same(a, b, exact) for a, b in zip(one, other, strict=True))
    return bool(one == other)


def difference(first: PortValues, second: PortValues, *, exact: bool = False) -> str:
    """Where two sets of tensors and lists differ, in words; empty when they agree."""
    for place in first.keys() | second.keys():
        if place not in first or place not in second:
            return f"{place} is there once and missing once"
    for place, one in first.items():
        other = second[place]
        if isinstance(one, list) or isinstance(other, list):
            if not _same(one, other, exact):
                return f"{place} is {str(one)[:SHOWN]} once and {str(other)[:SHOWN]} once"
            continue
        relative, absolute = (0.0, 0.0) if exact else (RELATIVE, ABSOLUTE)
        found = gap(one, other, absolute=absolute, relative=relative)
        if found.verdict == "shape":
            return f"{place} is {list(one.shape)} once and {list(other.shape)} once"
        if found.verdict == "not finite":
            return f"{place} holds NaN, or no finite value at all"
        if not found.fine:
            return f"{place} differs by up to {found.absolute:.3g}"
    return ""
