"""How far two tensors lie from each other: the one comparison by which comparing, parity and conformance judge.

Equal infinities agree, since masks and unused beams are written so. NaN agrees with nothing, NaN at the same place
included, and neither does a tensor without a single finite value: a model that gives such answers is broken, and so is
a recording that holds them. Whole numbers agree only where they are equal. Imports no torch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["Gap", "Verdict", "gap"]

Verdict = Literal["ok", "differs", "not finite", "shape"]
"""Within the tolerances; beyond them; a value on either side is NaN, or none is finite; tensors of two shapes."""


@dataclass(frozen=True)
class Gap:
    """How far `ours` lies from `theirs`."""

    verdict: Verdict
    absolute: float
    """Largest difference; infinite where a value is an infinity that the other is not, and where none can be told."""
    relative: float
    """Largest difference over the size of the value that it differs from."""
    scale: float = 1.0
    """Size of the largest finite value of `theirs`, at least 1."""

    @property
    def fine(self) -> bool:
        """Whether every value differs by at most `absolute + relative * |theirs|`, the tolerances asked for."""
        return self.verdict == "ok"

    @property
    def scaled(self) -> float:
        """The largest difference over the size of the largest value."""
        return self.absolute / self.scale


def gap(ours: Any, theirs: Any, *, absolute: float = 0.0, relative: float = 0.0) -> Gap:
    """The gap between two tensors, reckoned in float64. The tolerances are for numbers that are not whole."""
    if ours.shape != theirs.shape:
        return Gap("shape", math.inf, math.inf)
    if not theirs.is_floating_point():
        absolute = relative = 0.0
    a, b = ours.detach().cpu().double(), theirs.detach().cpu().double()
    if not a.numel():
        return Gap("ok", 0.0, 0.0)
    sizes = b.abs().nan_to_num(nan=0.0, posinf=0.0)
    scale = max(1.0, float(sizes.max()))
    if any(bool(each.isnan().any()) or not bool(each.isfinite().any()) for each in (a, b)):
        return Gap("not finite", math.inf, math.inf, scale)
    same = a == b
    distance = (a - b).abs().nan_to_num(nan=math.inf, posinf=math.inf).masked_fill(same, 0.0)
    ratio = (distance / sizes.clamp(min=1e-12)).masked_fill(same, 0.0)
    fine = bool((distance <= absolute + relative * sizes).all())
    return Gap("ok" if fine else "differs", float(distance.max()), float(ratio.max()), scale)
