"""How far compiled values lie from live ones, and how far they may."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from composer.types.gaps import gap
from composer_compile.artifact.manifest import Difference

__all__ = ["TOLERANCES", "WORST", "difference", "within"]

TOLERANCES = {"fp32": 1e-4, "fp16": 2e-2, "bf16": 1e-1}
"""Largest accepted difference over the largest value of an output, unless the document says another."""

WORST = 1e30
"""In the place of an infinite difference, which JSON cannot write: another shape, NaN, an infinity beside a number."""

RANKED = frozenset({"logits", "scores"})
"""Outputs whose largest value is a choice."""


def within(each: Difference, tolerance: float) -> bool:
    """Whether a difference is accepted; other ids are where the tolerance is that of a lower precision."""
    # Not `<=` alone: NaN compares false.
    return each.max_rel <= tolerance and not (
        each.ids is not None and tolerance <= TOLERANCES["fp32"] and each.ids < 1
    )


def difference(name: str, sizes: Mapping[str, int], ours: Tensor, theirs: Tensor) -> Difference:
    """How far `ours` lies from `theirs`; WORST where the shapes differ, and where `gap` says infinite."""
    if ours.shape != theirs.shape:
        return Difference(output=name, sizes=dict(sizes), max_abs=WORST, max_rel=WORST)
    found = gap(ours, theirs)
    left, right = ours.detach().double().cpu(), theirs.detach().double().cpu()
    rows = right.ndim > 1 and right.shape[-1] > 1 and right.numel() > 0 and name.rpartition(".")[2] in RANKED
    agreement = float((left.argmax(-1) == right.argmax(-1)).double().mean()) if rows else None
    return Difference(
        output=name,
        sizes=dict(sizes),
        max_abs=min(found.absolute, WORST),
        max_rel=min(found.scaled, WORST),
        argmax=agreement,
    )
