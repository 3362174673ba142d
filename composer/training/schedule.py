"""The learning rate over a run: a line up, then half a cosine down to zero; once, or anew at every restart."""

from __future__ import annotations

import math
from collections.abc import Sequence

__all__ = ["learning_rate"]


def learning_rate(
    step: int, *, steps: int, peak: float, warmup: float, restarts: Sequence[int] = ()
) -> float:
    """The rate of step `step` (from 0) of `steps`.

    `restarts` are the steps at which it begins anew (Loshchilov and Hutter, 2017, arXiv 1608.03983); `warmup` is the
    part of the stretch between two of them in which it rises.
    """
    bounds = [0, *restarts, steps]
    start = max(bound for bound in bounds[:-1] if bound <= step)
    length = min(bound for bound in bounds[1:] if bound > start) - start
    rising, within = round(length * warmup), step - start
    if within < rising:
        return peak * (within + 1) / rising
    done = (within - rising) / max(length - rising, 1)
    return peak * 0.5 * (1.0 + math.cos(math.pi * min(done, 1.0)))
