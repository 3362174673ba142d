"""How far compiled values lie from live ones, and how far they may."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from composer.types.gaps import gap
from composer_compile.artifact.dtypes import DTYPES
from composer_compile.artifact.manifest import Difference
from composer_compile.tensors.precisions import DTYPE_OF

__all__ = ["TOLERANCES", "WORST", "difference", "is_same", "within"]

TOLERANCES = {"fp32": 1e-4, "fp16": 2e-2, "bf16": 1e-1}
"""Largest accepted difference over the largest value of an output, unless the document says another."""

LEAST = 1e-3
"""Of the largest value: below that only kernels differ, which parity measures; another meaning is further off."""

WORST = 1e30
"""In the place of an infinite difference, which JSON cannot write: another shape, NaN, an infinity beside a number."""


def within(each: Difference, tolerance: float) -> bool:
    """Whether a difference is accepted; other ids are where the tolerance is that of a lower precision."""
    # Not `<=` alone: NaN compares false.
    return each.max_rel <= tolerance and not (
        each.ids is not None and tolerance <= TOLERANCES["fp32"] and each.ids < 1
    )


def is_same(ours: Tensor, theirs: Tensor) -> bool:
    """Whether two tensors are one result, apart from what kernels add."""
    if ours.dtype != theirs.dtype:
        return False
    found = gap(ours, theirs)
    if not theirs.is_floating_point():
        return found.fine
    precision = next(name for name, dtype in DTYPE_OF.items() if DTYPES[dtype] == theirs.dtype)
    return found.scaled <= max(LEAST, TOLERANCES[precision])


def difference(
    name: str, sizes: Mapping[str, int], ours: Tensor, theirs: Tensor, *, ranked: bool = False
) -> Difference:
    """How far `ours` lies from `theirs`; WORST where the shapes differ, and where `gap` says infinite.

    Of what is `ranked`, the largest value of a row is a choice, and how many choices agree is told as well.
    """
    found = gap(ours, theirs)
    return Difference(
        output=name,
        sizes=dict(sizes),
        max_abs=min(found.absolute, WORST),
        max_rel=min(found.scaled, WORST),
        argmax=_agreement(ours, theirs) if ranked and found.verdict != "shape" else None,
    )


def _agreement(ours: Tensor, theirs: Tensor) -> float | None:
    """The share of rows whose largest value stands at the same place."""
    left, right = ours.detach().double().cpu(), theirs.detach().double().cpu()
    if right.ndim < 2 or right.shape[-1] < 2 or not right.numel():
        return None
    return float((left.argmax(-1) == right.argmax(-1)).double().mean())
