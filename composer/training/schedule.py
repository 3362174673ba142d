"""The learning rates of a run, given to its optimizer."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from composer.recipes import Recipe
from composer.recipes.learning_rates import RunRates

__all__ = ["Rates"]


class Rates:
    """The rates of a run. `bounds` are the steps at which its epochs begin, and the end."""

    def __init__(self, recipe: Recipe, bounds: Sequence[int], restarts: Sequence[int]) -> None:
        self._usual = recipe.learning_rate
        self._rates = RunRates(recipe, bounds, restarts)

    def set(self, optimizer: torch.optim.Optimizer, step: int) -> float:
        """Give every group of the optimizer its rate of a step; returns that of weights that no group names."""
        usual = self._rates.rate(step, self._usual)
        for group in optimizer.param_groups:
            same = group["peak"] == self._usual
            group["lr"] = usual if same else self._rates.rate(step, group["peak"])
        return usual
