"""How far compiled values lie from live ones, and how far they may."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from composer_compile.manifest import Difference

__all__ = ["TOLERANCES", "difference", "full_float32", "within"]

TOLERANCES = {"fp32": 1e-4, "fp16": 2e-2, "bf16": 1e-1}
"""Largest accepted difference over the largest value of an output, unless the document says another."""

RANKED = frozenset({"logits", "scores"})
"""Outputs whose largest value is a choice."""


def within(each: Difference, tolerance: float) -> bool:
    """Whether a difference is accepted; other ids are where the tolerance is that of a lower precision."""
    # Not `<=` alone: NaN compares false.
    return each.max_rel <= tolerance and not (
        each.ids is not None and tolerance <= TOLERANCES["fp32"] and each.ids < 1
    )


def difference(name: str, sizes: Mapping[str, int], ours: Tensor, theirs: Tensor) -> Difference:
    """How far `ours` lies from `theirs`; infinite where the shapes differ or one is not a number."""
    if ours.shape != theirs.shape:
        return Difference(output=name, sizes=dict(sizes), max_abs=1e30, max_rel=1e30)
    left, right = ours.detach().double().cpu(), theirs.detach().double().cpu()
    same = (left == right) | (left.isnan() & right.isnan())
    gaps = torch.where(same, 0.0, (left - right).abs()).nan_to_num(nan=1e30, posinf=1e30)
    largest = float(gaps.max()) if gaps.numel() else 0.0
    finite = right[right.isfinite()]
    scale = max(1.0, float(finite.abs().max())) if finite.numel() else 1.0
    rows = right.ndim > 1 and right.shape[-1] > 1 and right.numel() > 0 and name.rpartition(".")[2] in RANKED
    agreement = float((left.argmax(-1) == right.argmax(-1)).double().mean()) if rows else None
    return Difference(
        output=name, sizes=dict(sizes), max_abs=largest, max_rel=largest / scale, argmax=agreement
    )


@contextmanager
def full_float32() -> Iterator[None]:
    """Meanwhile convolutions in float32 are that on a GPU, where torch computes them with the 10 bits of TF32.

    TensorRT is told not to; a live model that does would miss the tolerance by itself. The switch is torch's own, for
    the whole process; matrix products have one too, which is off unless somebody asked for it.
    """
    cudnn: Any = torch.backends.cudnn
    before = cudnn.conv.fp32_precision, cudnn.rnn.fp32_precision
    # The older switch sets the newer ones as well; it cannot be read where they disagree with it.
    cudnn.allow_tf32 = False
    try:
        yield
    finally:
        cudnn.allow_tf32 = "tf32" in before
        cudnn.conv.fp32_precision, cudnn.rnn.fp32_precision = before
