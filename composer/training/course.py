"""The course of a run: how many epochs it has, which tasks train in each, and where the learning rate begins anew."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from composer.problems import InputError
from composer.recipes import Recipe

__all__ = ["Course"]


@dataclass(frozen=True)
class Course:
    """A recipe and the epochs at which its run ended or will end: `(3, 6)` is a run of 3 epochs that was extended to 6.

    An extension begins the learning rate anew, since that of a finished run has fallen to zero. Up to there the longer
    run is the shorter one, step by step.
    """

    recipe: Recipe
    ends: tuple[int, ...]

    @classmethod
    def of(cls, recipe: Recipe) -> Course:
        return cls(recipe, (recipe.epochs,))

    @property
    def epochs(self) -> int:
        return self.ends[-1]

    @cached_property
    def restarts(self) -> tuple[int, ...]:
        """Epochs at whose start the learning rate begins anew."""
        chosen = {*self.recipe.restarts, *self.ends[:-1]}
        return tuple(sorted(epoch for epoch in chosen if epoch < self.epochs))

    def resumed(self, ends: tuple[int, ...], done: int) -> Course:
        """The course of a run with these ends that goes on to the recipe's. Raises InputError where it is longer."""
        if self.epochs == ends[-1]:
            return Course(self.recipe, ends)
        if self.epochs < ends[-1]:
            raise InputError(
                f"the run to resume has {ends[-1]} epochs, {done} of them done, and {self.epochs} are asked for: "
                f"name more with --epochs, or start anew without --resume"
            )
        return Course(self.recipe, (*ends, self.epochs))

    def tasks_of(self, epoch: int) -> list[str]:
        """The tasks that train in an epoch. Where a run is extended, all of them have joined."""
        if epoch >= self.ends[0]:
            return sorted(self.recipe.tasks)
        return self._first.tasks_of(epoch)

    @cached_property
    def _first(self) -> Recipe:
        return self.recipe.model_copy(update={"epochs": self.ends[0]})
