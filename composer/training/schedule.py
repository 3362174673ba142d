"""The learning rate over a run: a line up, then half a cosine down to zero."""

from __future__ import annotations

import math

__all__ = ["learning_rate"]


def learning_rate(step: int, *, steps: int, peak: float, warmup: float) -> float:
    """The rate of step `step` (from 0) of `steps`; `warmup` is the part of the steps in which it rises."""
    rising = round(steps * warmup)
    if step < rising:
        return peak * (step + 1) / rising
    done = (step - rising) / max(steps - rising, 1)
    return peak * 0.5 * (1.0 + math.cos(math.pi * min(done, 1.0)))
