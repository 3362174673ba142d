"""The learning rate over a run: a line up, then half a cosine down to zero, or what the recipe says; once, or anew at
every restart.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from composer.recipes.shape import Recipe, ScheduleRecipe

__all__ = ["RunRates", "learning_rate"]


def learning_rate(
    step: int,
    *,
    steps: int,
    peak: float,
    warmup: float,
    restarts: Sequence[int] = (),
    schedule: ScheduleRecipe = ScheduleRecipe(),  # noqa: B008 (a frozen value)
    dipping: int = 0,
) -> float:
    """The rate of step `step` (from 0) of `steps`.

    `restarts` are the steps at which it begins anew (Loshchilov and Hutter, 2017, arXiv 1608.03983); `warmup` is the
    part of the stretch between two of them in which it rises, unless the schedule names steps. `dipping` is how many
    steps may dip (where the schedule has dips, and no bound of its own, all).
    """
    bounds = [0, *restarts, steps]
    start = max(bound for bound in bounds[:-1] if bound <= step)
    length = min(bound for bound in bounds[1:] if bound > start) - start
    within = max(step - start - schedule.delay, 0)
    dips = schedule.dips
    if dips is not None and within % dips.every == 0 and step - schedule.delay < dipping:
        within //= dips.every
    steps_up = schedule.warmup_steps
    rising = round(length * warmup) if steps_up is None else min(steps_up, length)
    if within < rising:
        if schedule.start is None:
            return peak * (within + 1) / rising
        return schedule.start + within * ((peak - schedule.start) / rising)
    done = min((within - rising) / max(length - rising, 1), 1.0)
    return _fallen(done, peak, schedule)


def _fallen(done: float, peak: float, schedule: ScheduleRecipe) -> float:
    """The rate when a part of the way down has been gone."""
    if schedule.shape == "constant":
        return peak
    if schedule.shape == "linear":
        return peak + done * (schedule.end - peak)
    if schedule.end == 0:  # in this order, so that the bits are those of runs before there was an end
        return peak * 0.5 * (1.0 + math.cos(math.pi * done))
    return schedule.end + 0.5 * (peak - schedule.end) * (1.0 + math.cos(math.pi * done))


class RunRates:
    """The rates of a run. `bounds` are the steps at which its epochs begin, and the end."""

    def __init__(self, recipe: Recipe, bounds: Sequence[int], restarts: Sequence[int]) -> None:
        self._recipe = recipe
        self._batches = recipe.accumulate if recipe.schedule.counts == "batches" else 1
        """What the schedule counts, of a step."""
        bounds = [bound * self._batches for bound in bounds]
        self._steps = bounds[-1]
        self._restarts = [restart * self._batches for restart in restarts]
        dips, last = recipe.schedule.dips, len(bounds) - 1
        self._dipping = bounds[last if dips is None else min(dips.epochs or last, last)]
        if dips is not None and dips.steps is not None:
            self._dipping = min(self._dipping, dips.steps + 1)

    def rate(self, step: int, peak: float) -> float:
        """The rate of a step, of weights whose highest rate is `peak`."""
        recipe = self._recipe
        return learning_rate(
            (step + 1) * self._batches - 1,  # weights change with the last batch of a step
            steps=self._steps,
            peak=peak,
            warmup=recipe.warmup,
            restarts=self._restarts,
            schedule=recipe.schedule,
            dipping=self._dipping,
        )
