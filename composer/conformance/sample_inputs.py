"""Input values for a signature, made from what the kinds say about their tensors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from composer.conformance.report import Failure, Skip
from composer.conformance.symbol_sizes import Partition
from composer.types import Field, Kind, Port, Signature

__all__ = ["as_record", "field_shape", "fields_of", "garbage", "group_counts", "make_inputs"]

SOURCES_OF_MANY = 2


def make_inputs(
    signature: Signature,
    kinds: Mapping[str, Kind],
    sizes: Mapping[str, int],
    *,
    partition: Partition | None = None,
    bare: bool = False,
    masks: str = "ragged",
    seed: int = 0,
) -> dict[str, object]:
    """One value per input port.

    `bare` leaves out what is optional (ports, and fields such as a mask). `masks` are `ragged` (each row shows fewer
    positions than the one before) or `full`. Ids are 0 or 1, which every vocabulary has.

    Raises:
        Skip: a port carries values that no tensor can (text). Failure: a port does not fit its kind.
    """
    generator = torch.Generator().manual_seed(seed)
    inputs: dict[str, object] = {}
    for name, port in signature.inputs.items():
        if bare and port.optional:
            continue
        if partition is not None and name == partition[0]:
            inputs[name] = torch.tensor(group_counts(partition, sizes))
            continue
        repeats = SOURCES_OF_MANY if port.many else 1
        values = tuple(_value(name, port, kinds, sizes, generator, bare, masks) for _ in range(repeats))
        inputs[name] = values if port.many else values[0]
    return inputs


def group_counts(partition: Partition, sizes: Mapping[str, int]) -> list[int]:
    """How many parts each sample has: all have some, and not equally many where that can be."""
    _, samples, parts = partition
    batch = sizes[samples]
    total = sizes[parts] if parts is not None and parts in sizes else batch * (batch + 1) // 2
    counts = [total // batch] * batch
    counts[-1] += total % batch
    if counts[0] > 1:
        counts[0], counts[-1] = counts[0] - 1, counts[-1] + 1
    return counts


def _value(
    name: str,
    port: Port,
    kinds: Mapping[str, Kind],
    sizes: Mapping[str, int],
    generator: torch.Generator,
    bare: bool,
    masks: str,
) -> Any:
    kind = kinds[port.type.kind]
    values: dict[str, Tensor | None] = {}
    for field_name, field in kind.fields.items():
        if field.dtype == "object":
            raise Skip(f"{name} is {port.type}, which stays on the host")
        shape = field_shape(port, field, sizes)
        if bare and field.optional:
            values[field_name] = None
        elif field_name == kind.mask:
            values[field_name] = _mask(kind, field, shape, masks)
        else:
            values[field_name] = garbage(field, shape, generator, scale=1.0)
    return as_record(kind, values)


def field_shape(port: Port, field: Field, sizes: Mapping[str, int]) -> list[int]:
    """The sizes of one field; raises Failure where the port type has too few dims for its kind."""
    try:
        dims = [port.type.dims[index] for index in field.dims]
    except IndexError:
        raise Failure(f"{port.type} has too few dims for its kind") from None
    return [dim.at(sizes) for dim in dims]  # every symbol of an input has a size


def garbage(field: Field, shape: list[int], generator: torch.Generator, *, scale: float = 3.0) -> Tensor:
    """Any values that the field may hold."""
    if field.dtype == "float":
        return torch.randn(shape, generator=generator) * scale
    if field.dtype == "uint8":
        return torch.randint(256, shape, dtype=torch.uint8, generator=generator)
    values = torch.randint(2, shape, dtype=torch.int64, generator=generator)
    return values.bool() if field.dtype == "bool" else values


def _mask(kind: Kind, field: Field, shape: list[int], masks: str) -> Tensor:
    mask = torch.ones(shape, dtype=dtype_of(field))
    batch = kind.batch_axis
    if masks == "ragged" and batch in field.dims and len(shape) > 1:
        rows = mask.movedim(field.dims.index(batch), 0)  # a view: [B, ..., N]
        for number, row in enumerate(rows):
            row[..., max(1, row.shape[-1] - number) :] = 0
    return mask


def dtype_of(field: Field) -> torch.dtype:
    """The number format in which a field's values are made."""
    dtypes = {"float": torch.float32, "int64": torch.int64, "uint8": torch.uint8, "bool": torch.bool}
    return dtypes[field.dtype]


def fields_of(kind: Kind, value: Any) -> dict[str, Any]:
    """The fields of a value by name: of a record, or the one of a bare tensor."""
    if kind.record is None:
        return {next(iter(kind.fields)): value}
    return dict(zip(kind.fields, value, strict=True))


def as_record(kind: Kind, values: Mapping[str, object]) -> Any:
    """The value that travels: the kind's record, or its one tensor."""
    return kind.record(**values) if kind.record is not None else next(iter(values.values()))
