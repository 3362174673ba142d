"""Tensors of which a process may hold a part alone (`DTensor`), beside those that it holds whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from torch import Tensor
from torch.distributed.tensor import DTensor, distribute_tensor

__all__ = ["alike", "is_split", "split_like", "whole"]

_Tensor = TypeVar("_Tensor", bound=Tensor)


def is_split(tensor: Tensor) -> bool:
    """Whether this process holds a part of it alone."""
    return isinstance(tensor, DTensor)


def whole(tensor: Tensor) -> Tensor:
    """All of a tensor. Where it is split, every process asks for it."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def split_like(tensor: Tensor, other: Tensor) -> Tensor:
    """This process's part of a whole tensor, where another tensor of its shape is split; otherwise the tensor."""
    if not isinstance(other, DTensor) or tensor.shape != other.shape:
        return tensor
    return distribute_tensor(tensor.detach(), other.device_mesh, other.placements, src_data_rank=None)


def alike(tensors: Sequence[_Tensor]) -> list[list[_Tensor]]:
    """Those that are split and those that are not: no operation of torch takes both."""
    found: dict[bool, list[_Tensor]] = {True: [], False: []}
    for tensor in tensors:
        found[is_split(tensor)].append(tensor)
    return [each for each in found.values() if each]
