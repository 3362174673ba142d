"""The batches of a task: samples of a dataset, put in order by the seed and encoded by the task's own modalities."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from composer.data import OwnRows
from composer.execution.host_values import finite
from composer.execution.inputs import host_inputs, to_tensors
from composer.plan import Plan
from composer.plugin import Registry
from composer.problems import ComposerError, InputError
from composer.recipes import TaskRecipe
from composer.training.encoding import encode
from composer.training.protocol import Batch, Share
from composer.training.random_state import drawing_from
from composer.training.samples import TRAINED, Drawn, SampleSource

__all__ = ["SampleData"]

SHOWN_SAMPLES = 4


class SampleData:
    """The batches of one task: those that it trains on, in an order drawn from the seed and the epoch, or those
    of another split as they stand.
    """

    def __init__(
        self,
        *,
        recipe: TaskRecipe,
        plan: Plan,
        source: SampleSource,
        seed: int,
        registry: Registry,
        split: str = TRAINED,
    ) -> None:
        self.inputs = host_inputs(plan, registry.kinds)
        self.source = source
        self._split = split
        self._recipe = recipe
        self._key = (seed, zlib.crc32(source.task.encode()))
        self._epoch = -1
        self._groups: list[list[int]] = []
        self._drawn: Drawn | None = None
        given = recipe.group.counts if recipe.group else None
        needed = [n for n in self.inputs.processors if n != given and not self.inputs.may_be_absent(n)]
        self.fields = {self.field(n): f"for input `{n}`" for n in needed}
        """Fields that every sample must have, with what each is for."""

    def field(self, name: str) -> str:
        """The field of a sample that an input reads."""
        return self._recipe.fields.get(name, name)

    def batches(self, epoch: int) -> int:
        """How many batches an epoch has; the last one may be smaller."""
        self._draw(epoch)
        return -(-len(self._groups) // self._recipe.batch)

    def count(self, epoch: int, index: int) -> int:
        """How many samples a batch has, those of all its groups."""
        return sum(map(len, self._of_batch(epoch, index)))

    def batch(self, epoch: int, index: int) -> Batch:
        """Host ports of every input of the objective, as tensors. Raises InputError that names a sample at fault.

        Whatever draws meanwhile (augmentation) draws what the seed, the task, the epoch and the index decide.
        """
        with drawing_from(*self._key, "batch", epoch, index):
            return self._batch(epoch, self._of_batch(epoch, index))[0]

    def part(self, epoch: int, index: int, share: Share) -> tuple[Batch, int]:
        """Some of the groups of a batch, and how many samples of them count: those that can be used.

        Where none of the part can be used, others of the batch stand in, and do not count.
        """
        whole = self._of_batch(epoch, index)
        groups, counts = share(whole)
        with drawing_from(*self._key, "batch", epoch, index):
            try:
                given, used = self._batch(epoch, groups)
            except InputError:
                if len(groups) == len(whole) or not self._skips:
                    raise
                (given, used), counts = self._batch(epoch, whole), False
        return given, sum(map(len, used)) if counts else 0

    def _batch(self, epoch: int, groups: Sequence[list[int]]) -> tuple[Batch, Sequence[list[int]]]:
        """The groups as tensors, and those of them that are in it."""
        try:
            return self._encoded(groups, epoch), groups
        except InputError:
            usable = self._usable(groups, epoch)
            if not usable or usable == groups:
                raise
            return self._encoded(usable, epoch), usable

    @property
    def _skips(self) -> bool:
        """Whether the user lets samples be left out that cannot be used."""
        own = self.source.samples
        return isinstance(own, OwnRows) and own.skips

    def _usable(self, groups: Sequence[list[int]], epoch: int) -> Sequence[list[int]]:
        """The groups without the samples that cannot be used, where these are left out."""
        if not self._skips:
            return groups
        own = self.source.samples
        assert isinstance(own, OwnRows)
        drawn, found = self.drawn(epoch), list[list[int]]()
        for group in groups:
            kept = []
            for number in group:
                try:
                    self._encoded([[number]], epoch)
                except InputError as error:
                    own.leave_out_late(drawn.title(number), str(error))
                else:
                    kept.append(number)
            found += [kept] if kept else []
        return found

    def _encoded(self, groups: Sequence[list[int]], epoch: int) -> Batch:
        drawn = self.drawn(epoch)
        samples = {i: drawn[i] for group in groups for i in group}
        firsts = [group[0] for group in groups]
        by = self._recipe.group
        encoded: dict[str, dict[str, Any]] = {}
        for name in self.inputs.processors:
            chosen = firsts
            if by is not None and name == by.counts:
                values: list[Any] = [len(group) for group in groups]
            else:
                if by is None or name != by.by:
                    chosen = list(samples)
                values = [samples[i].get(self.field(name)) for i in chosen]

            def others(other: str, chosen: Sequence[int] = chosen) -> list[Any]:
                return [samples[i].get(self.field(other)) for i in chosen]

            encoded[name] = encode(self.inputs, name, values, self._titles(chosen, name), others)
        self.inputs.hold_together(encoded, grouped=by is not None)
        return {
            name: {port: to_tensors(value, dtype=torch.float32) for port, value in ports.items()}
            for name, ports in encoded.items()
        }

    def drawn(self, epoch: int) -> Drawn:
        """The samples of an epoch, in the dataset's own order."""
        self._draw(epoch)
        assert self._drawn is not None
        return self._drawn

    def samples_of(self, epoch: int, index: int) -> str:
        """What messages call the samples of a batch: `samples 3, 8 and 2 more of split `train``."""
        numbers = [i for group in self._of_batch(epoch, index) for i in group]
        spoilt = next((text for i in numbers if (text := self._not_finite(epoch, i))), "")
        if len(numbers) == 1:
            return f"{self.drawn(epoch).title(numbers[0])}{spoilt}"
        shown = ", ".join(map(str, numbers[:SHOWN_SAMPLES]))
        more = f" and {len(numbers) - SHOWN_SAMPLES} more" if len(numbers) > SHOWN_SAMPLES else ""
        return f"samples {shown}{more} of split `{self._split}`{spoilt}"

    def _not_finite(self, epoch: int, number: int) -> str:
        """What messages add where a sample holds a number that is not finite."""
        drawn = self.drawn(epoch)

        def of_sample(other: str) -> list[object]:
            return [drawn[number].get(self.field(other))]

        for name in self.inputs.processors:
            field = self.field(name)
            if field not in self.fields:
                continue
            try:
                ports = encode(self.inputs, name, [drawn[number][field]], str, of_sample)
            except ComposerError:  # the error that is being told says it already
                continue
            if not finite(ports):
                return f", of which {drawn.title(number)} holds a number that is not finite in its field `{field}`"
        return ""

    def _titles(self, chosen: Sequence[int], name: str) -> Callable[[int], str]:
        assert self._drawn is not None
        drawn, field = self._drawn, self.field(name)
        return lambda i: drawn.place(chosen[i], name, field)

    def _of_batch(self, epoch: int, index: int) -> list[list[int]]:
        self._draw(epoch)
        start = index * self._recipe.batch
        return self._groups[start : start + self._recipe.batch]

    def _draw(self, epoch: int) -> None:
        """Make the groups of an epoch, in their order; kept until another epoch is asked for."""
        if epoch == self._epoch:
            return
        with drawing_from(*self._key, "epoch", epoch):
            self._drawn = self.source.draw(self._split, epoch, fields=self.fields)
        groups = self._grouped(self._drawn)
        random = np.random.default_rng((*self._key, epoch))
        order = random.permutation(len(groups)) if self._split == TRAINED else range(len(groups))
        self._groups, self._epoch = [groups[i] for i in order], epoch

    def _grouped(self, drawn: Drawn) -> list[list[int]]:
        """Neighbouring samples that hold the very same object, or one path or text, in the field that groups."""
        if self._recipe.group is None:
            return [[index] for index in range(len(drawn))]
        field = self.field(self._recipe.group.by)
        groups: list[list[int]] = []
        last: Any = None
        for index in range(len(drawn)):
            value = drawn[index][field]
            if groups and (value is last or (isinstance(value, str) and value == last)):
                groups[-1].append(index)
            else:
                groups.append([index])
            last = value
        return groups
