"""Calls in the forms that the library's converters take, as decompositions: for its own lowering, and so for `--plan`.

Each gives the same numbers, or NotImplemented where it has no such form. Seen with Torch-TensorRT 2.14.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, fx

__all__ = ["TAKEN_FORMS", "never_met"]

aten = torch.ops.aten


def _chosen(
    target: Tensor, indices: Sequence[Tensor | None], values: Tensor, accumulate: bool = False
) -> Any:
    """One number written under a mask, `x[hidden] = 0`: a choice says the same."""
    (mask, *others) = indices
    if others or mask is None or mask.dtype != torch.bool or values.ndim or accumulate:
        return NotImplemented
    for _ in range(target.ndim - mask.ndim):
        mask = mask.unsqueeze(-1)
    return torch.where(mask, values.to(target.dtype), target)


def _pooled(
    values: Tensor,
    kernel: Sequence[int],
    stride: Sequence[int] = (),
    padding: Sequence[int] = (0,),
    ceil: bool = False,
    *others: Any,
) -> Any:
    """A mean over windows that fill the map: rounding their number up or down is the same."""
    if not ceil:
        return NotImplemented
    for axis, size in enumerate(values.shape[-2:]):
        window, step, edge = (each[axis % len(each)] for each in (kernel, stride or kernel, padding or (0,)))
        if not isinstance(size, int) or (size + 2 * edge - window) % step:
            return NotImplemented
    return aten.avg_pool2d.default(values, kernel, stride, padding, False, *others)


def _normed(
    values: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    mean: Tensor | None,
    variance: Tensor | None,
    training: bool,
    momentum: float,
    epsilon: float,
) -> Any:
    """A batch norm that answers, which a trace takes apart into one that might train."""
    if training or mean is None or variance is None:
        return NotImplemented
    return aten._native_batch_norm_legit_no_training.default(
        values, weight, bias, mean, variance, momentum, epsilon
    )


def _laid(values: Tensor, size: Sequence[int], stride: Sequence[int], offset: int | None = None) -> Any:
    """The same numbers at the same places, as the mean over a whole map ends: only its memory would be named anew."""
    same = len(size) == values.ndim and not offset
    for axis, (length, step) in enumerate(zip(size, stride, strict=True)):
        if not same or values.shape[axis] != length or (length != 1 and values.stride(axis) != step):
            return NotImplemented
    return aten.clone.default(values)


TAKEN_FORMS: Mapping[Any, Callable[..., Any]] = {
    aten.index_put.default: _chosen,
    aten.as_strided.default: _laid,
    aten.as_strided_.default: _laid,
    aten.avg_pool2d.default: _pooled,
    aten.native_batch_norm.default: _normed,
}


def never_met(node: fx.Node) -> bool:
    """Whether the library never meets a call of a trace: one over sizes, one that copies nothing, a part of another."""
    if node.target is aten.max_pool2d_with_indices.default:  # the library meets a pool, which has a converter
        return all(user.target is operator.getitem and user.args[1] == 0 for user in node.users)
    return not isinstance(node.target, torch._ops.OpOverload) or node.target is aten.alias.default
