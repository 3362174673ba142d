"""The tensors of one value that flows along an edge: what its kind says of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from composer.types import Kind, PortType
from composer_compile.artifact.manifest import Role
from composer_compile.errors import CompileError
from composer_compile.tensors.specs import TensorSpec

__all__ = ["PortTensor", "template", "tensor_specs", "tensors_in"]


@dataclass(frozen=True)
class PortTensor:
    """A tensor of a value."""

    name: str
    dtype: str
    axes: Sequence[int]
    role: Role
    masked_by: str | None


def tensors_in(name: str, kind: Kind) -> Iterator[PortTensor]:
    """The tensors of a value called `name`."""
    mask = None if kind.mask is None else f"{name}.{kind.mask}"
    for label, found in kind.fields.items():
        full = name if kind.record is None else f"{name}.{label}"
        role: Role = "mask" if full == mask else "ranked" if kind.ranked else "values"
        yield PortTensor(full, found.dtype, found.dims, role, None if full == mask else mask)


def tensor_specs(name: str, type_: PortType, kind: Kind) -> list[TensorSpec]:
    """The same with the dimensions of a port type. Raises CompileError for what no tensor holds."""
    specs = []
    for part in tensors_in(name, kind):
        if part.dtype == "object":
            raise CompileError(f"{name} holds {type_.kind}, which stays on the host and enters no program")
        dtype = "float32" if part.dtype == "float" else part.dtype
        dims = tuple(type_.dims[axis] for axis in part.axes)
        specs.append(TensorSpec(part.name, dtype, dims, part.role, part.masked_by))
    return specs


def template(kind: Kind) -> Any:
    """A value of a kind with a mark in the place of each tensor."""
    mark = torch.empty(0)
    return mark if kind.record is None else kind.record(*[mark for _ in kind.fields])
