"""The batches of a task: samples of a dataset, put in order by the seed and encoded by the task's own modalities."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import torch

from composer.plan import Plan
from composer.problems import InputError
from composer.runtime.inputs import Inputs
from composer.training.protocol import Batch
from composer.training.recipe import TaskRecipe

__all__ = ["SampleData", "Samples"]

Sample = Mapping[str, Any]


class Samples(Protocol):
    """What a dataset's builder gives."""

    splits: Sequence[str]

    def samples(self, split: str, epoch: int = 0) -> Sequence[Sample]:
        """The samples of a split; a split of fixed samples has the same ones in every epoch."""


class SampleData:
    """The training batches of one task, in an order drawn from the seed and the epoch."""

    def __init__(self, *, task: str, recipe: TaskRecipe, plan: Plan, dataset: Samples, seed: int) -> None:
        self._recipe = recipe
        self._dataset = dataset
        self._inputs = Inputs(plan)
        self._key = (seed, zlib.crc32(task.encode()))
        self._epoch = -1
        self._groups: list[list[Sample]] = []
        self._check_fields(task, dataset)

    def batches(self, epoch: int) -> int:
        """How many batches an epoch has; the last one may be smaller."""
        self._draw(epoch)
        return -(-len(self._groups) // self._recipe.batch)

    def batch(self, epoch: int, index: int) -> Batch:
        """Host ports of every input of the objective, as tensors."""
        self._draw(epoch)
        start = index * self._recipe.batch
        groups = self._groups[start : start + self._recipe.batch]
        samples = [sample for group in groups for sample in group]
        by = self._recipe.group
        encoded: dict[str, dict[str, Any]] = {}
        for name, processor in self._inputs.processors.items():
            if by is not None and name == by.counts:
                values: list[Any] = [len(group) for group in groups]
            elif by is not None and name == by.by:
                values = [group[0][self._field(name)] for group in groups]
            else:
                values = [sample[self._field(name)] for sample in samples]
            encoded[name] = {port: _tensors(value) for port, value in processor.encode(values).items()}
        return encoded

    def _field(self, name: str) -> str:
        return self._recipe.fields.get(name, name)

    def _draw(self, epoch: int) -> None:
        """Make the groups of an epoch, in their order; kept until another epoch is asked for."""
        if epoch == self._epoch:
            return
        samples = self._dataset.samples("train", epoch)
        groups = self._grouped(samples)
        order = np.random.default_rng((*self._key, epoch)).permutation(len(groups))
        self._groups, self._epoch = [groups[i] for i in order], epoch

    def _grouped(self, samples: Sequence[Sample]) -> list[list[Sample]]:
        """Neighbouring samples that hold the very same object in the field that groups."""
        if self._recipe.group is None:
            return [[sample] for sample in samples]
        field = self._field(self._recipe.group.by)
        groups: list[list[Sample]] = []
        for sample in samples:
            if groups and groups[-1][0][field] is sample[field]:
                groups[-1].append(sample)
            else:
                groups.append([sample])
        return groups

    def _check_fields(self, task: str, dataset: Samples) -> None:
        samples = dataset.samples("train", 0)
        if not samples:
            raise InputError(f"the training data of task `{task}` is empty")
        given = self._recipe.group.counts if self._recipe.group else None
        for name in self._inputs.processors:
            if name != given and self._field(name) not in samples[0]:
                raise InputError(
                    f"the samples for task `{task}` have no field `{self._field(name)}` for its input `{name}` "
                    f"(fields: {', '.join(samples[0])}); name one under `fields` in the recipe"
                )


def _tensors(value: Any) -> Any:
    """Arrays as tensors, in records too."""
    if isinstance(value, np.ndarray):
        return torch.from_numpy(value)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(_tensors(item) for item in value))
    return value
