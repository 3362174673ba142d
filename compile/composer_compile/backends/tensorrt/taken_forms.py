"""Calls in the forms that the library's converters take, as decompositions: for its own lowering, and so for `--plan`.

Each gives the same numbers, or NotImplemented where it has no such form. Seen with Torch-TensorRT 2.14.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
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


def _repeated(values: Tensor, counts: Sequence[Any]) -> Any:
    """One row for each sample of a batch of free size, as the query with which SigLIP pools: a view says the same."""
    shape = [*[1] * (len(counts) - values.ndim), *values.shape]
    pairs = list(zip(shape, counts, strict=True))
    if all(isinstance(count, int) for count in counts):
        return NotImplemented
    if not all(isinstance(count, int) or (isinstance(size, int) and size == 1) for size, count in pairs):
        return NotImplemented
    rows = values.reshape(shape).expand([size if isinstance(count, int) else count for size, count in pairs])
    others = [count if isinstance(count, int) else 1 for count in counts]
    return rows.repeat(others) if any(count != 1 for count in others) else rows


def _summed(values: Tensor, axis: int, *, dtype: torch.dtype | None = None) -> Any:
    """Places counted along a mask: the library's running sums are float32, whatever is summed."""
    if dtype is not None or values.is_floating_point() or values.is_complex():
        return NotImplemented
    return aten.cumsum.default(values.to(torch.float32), axis).to(torch.int64)


def _split(values: Tensor, sizes: Sequence[Any], axis: int = 0) -> Any:
    """Parts of free lengths, as the weights of an attention over a prompt and what came since: each is a slice."""
    if all(isinstance(size, int) for size in sizes):
        return NotImplemented
    ends = list(accumulate(sizes))
    return [aten.slice.Tensor(values, axis, end - size, end) for size, end in zip(sizes, ends, strict=True)]


TAKEN_FORMS: Mapping[Any, Callable[..., Any]] = {
    aten.index_put.default: _chosen,
    aten.as_strided.default: _laid,
    aten.as_strided_.default: _laid,
    aten.avg_pool2d.default: _pooled,
    aten.native_batch_norm.default: _normed,
    aten.repeat.default: _repeated,
    aten.cumsum.default: _summed,
    aten.split_with_sizes.default: _split,
}


def never_met(node: fx.Node) -> bool:
    """Whether the library never meets a call of a trace: one over sizes, one that copies nothing, a part of another."""
    if node.target is aten.max_pool2d_with_indices.default:  # the library meets a pool, which has a converter
        return all(user.target is operator.getitem and user.args[1] == 0 for user in node.users)
    return not isinstance(node.target, torch._ops.OpOverload) or node.target is aten.alias.default
