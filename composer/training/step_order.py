"""Which task trains on which batches in every step of a run: the recipe and the seed decide it before the first one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from composer.training.course import Course

__all__ = ["Order", "PlannedStep"]


@dataclass(frozen=True)
class PlannedStep:
    """The batches of one step: one, or several whose gradients are added up."""

    task: str
    turn: int
    """Which pass over the task's data; that is the epoch, unless tasks are drawn by weight."""
    first: int
    last: int

    @property
    def batches(self) -> range:
        return range(self.first, self.last)


class Order:
    """The steps of every epoch.

    Without weights, an epoch goes through all batches of all its tasks, in one mixed order. With them it has so many
    steps, shared out among the tasks by their weights, and every task goes round and round through its own data.
    """

    def __init__(self, course: Course, batches: Mapping[str, int]) -> None:
        self.course = course
        self.recipe = course.recipe
        self._batches = batches
        self._turns = {task: -(-count // self.recipe.accumulate) for task, count in batches.items()}
        """Steps of one pass over a task's data."""
        weights = [task.weight for task in self.recipe.tasks.values()]
        self.weighted = self.recipe.steps is not None or any(weight is not None for weight in weights)

    @cached_property
    def bounds(self) -> list[int]:
        """The step at which each epoch begins, and the end."""
        bounds = [0]
        for epoch in range(self.course.epochs):
            bounds.append(bounds[-1] + sum(self._counts(epoch).values()))
        return bounds

    def steps(self, epoch: int) -> list[PlannedStep]:
        """The steps of an epoch, in their order."""
        random = np.random.default_rng((self.recipe.seed, epoch))
        counts = self._counts(epoch)
        if not self.weighted:
            order = [(task, index) for task, count in counts.items() for index in range(count)]
            random.shuffle(order)
            return [self._step(task, epoch, index) for task, index in order]
        names = [task for task, count in counts.items() for _ in range(count)]
        random.shuffle(names)
        begun = {task: sum(self._counts(e).get(task, 0) for e in range(epoch)) for task in counts}
        steps = []
        for task in names:
            turn, index = divmod(begun[task], self._turns[task])
            steps.append(self._step(task, turn, index))
            begun[task] += 1
        return steps

    def _step(self, task: str, turn: int, index: int) -> PlannedStep:
        first = index * self.recipe.accumulate
        return PlannedStep(task, turn, first, min(first + self.recipe.accumulate, self._batches[task]))

    def _counts(self, epoch: int) -> dict[str, int]:
        """How many steps each task has in an epoch."""
        tasks = self.course.tasks_of(epoch)
        if not self.weighted:
            return {task: self._turns[task] for task in tasks}
        total = self.recipe.steps or sum(self._turns[task] for task in tasks)
        return shared_out(total, {task: self._weight(task) for task in tasks})

    def _weight(self, task: str) -> float:
        """Its own, or 1 beside others that have one, or else the size of its data."""
        own = self.recipe.tasks[task].weight
        if own is not None:
            return own
        return 1.0 if any(t.weight is not None for t in self.recipe.tasks.values()) else self._turns[task]


def shared_out(total: int, weights: Mapping[str, float]) -> dict[str, int]:
    """Whole numbers with the sum `total`, as near to the proportions as can be; the largest rests get what is left."""
    whole = sum(weights.values())
    exact = {name: total * weight / whole for name, weight in weights.items()}
    counts = {name: int(value) for name, value in exact.items()}
    rests = sorted(exact, key=lambda name: (counts[name] - exact[name], name))
    for name in rests[: total - sum(counts.values())]:
        counts[name] += 1
    return counts
