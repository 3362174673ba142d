"""How far two tensors lie from each other: the one number by which comparing, parity and conformance judge.

Equal infinities agree, since masks and unused beams are written so. NaN agrees with nothing, NaN at the same place
included, and neither does a tensor without a single finite value: a model that gives such answers is broken, and so is
a recording that holds them. Imports no torch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

__all__ = ["Gap", "gap"]


@dataclass(frozen=True)
class Gap:
    """How far `ours` lies from `theirs`, two tensors of one shape."""

    absolute: float
    """Largest difference; infinite where a value is an infinity that the other is not, and for what `is_broken`."""
    relative: float
    """Largest difference over the size of the value that it differs from."""
    scale: float
    """Size of the largest finite value of `theirs`, at least 1."""
    fine: bool
    """Whether every value differs by at most `absolute + relative * |theirs|`, the tolerances that were asked for."""
    is_broken: bool
    """Whether a value on either side is NaN, or none is finite."""

    @property
    def scaled(self) -> float:
        """The largest difference over the size of the largest value."""
        return self.absolute / self.scale


def gap(ours: Any, theirs: Any, *, absolute: float = 0.0, relative: float = 0.0) -> Gap:
    """The gap between two tensors of one shape, reckoned in float64."""
    a, b = ours.detach().cpu().double(), theirs.detach().cpu().double()
    if not a.numel():
        return Gap(0.0, 0.0, 1.0, fine=True, is_broken=False)
    is_broken = any(bool(each.isnan().any()) or not bool(each.isfinite().any()) for each in (a, b))
    same = a == b
    distance = (a - b).abs().nan_to_num(nan=math.inf, posinf=math.inf).masked_fill(same, 0.0)
    sizes = b.abs().nan_to_num(nan=0.0, posinf=0.0)
    ratio = (distance / sizes.clamp(min=1e-12)).masked_fill(same, 0.0)
    return Gap(
        absolute=math.inf if is_broken else float(distance.max()),
        relative=math.inf if is_broken else float(ratio.max()),
        scale=max(1.0, float(sizes.max())),
        fine=not is_broken and bool((distance <= absolute + relative * sizes).all()),
        is_broken=is_broken,
    )
