"""Tensors made up for a comparison, such that a program can take them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from composer_compile.artifact.dtypes import DTYPES
from composer_compile.artifact.manifest import Role
from composer_compile.tensors.specs import TensorSpec

__all__ = ["random_inputs", "random_tensor"]


def random_inputs(
    specs: Iterable[TensorSpec], sizes: Mapping[str, int], generator: torch.Generator, device: torch.device
) -> list[Tensor]:
    """What a stage could be given at these sizes."""
    return [random_tensor(each.shape(sizes), each.dtype, each.role, generator).to(device) for each in specs]


def random_tensor(
    shape: tuple[int, ...], dtype: str, role: Role, generator: torch.Generator, *, below: int = 2
) -> Tensor:
    """A tensor for that role: a mask shows a prefix of each row, whole numbers are below `below`."""
    kind = DTYPES[dtype]
    if role == "mask" and len(shape) == 2:
        lengths = torch.randint(1, shape[1] + 1, (shape[0], 1), generator=generator)
        lengths[0] = shape[1]
        return (torch.arange(shape[1]) < lengths).to(kind)
    if kind == torch.uint8:
        return torch.randint(0, 256, shape, generator=generator, dtype=kind)
    if kind.is_floating_point:
        return torch.randn(shape, generator=generator).to(kind)
    # Integers that count or choose are small where nothing says how large they may be.
    return torch.randint(0, below, shape, generator=generator).to(kind)
