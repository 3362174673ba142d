"""Rows of a batch that share values: a stage that depends on these alone runs once for each value, not for each row.

Stages are as large as they were compiled: where a picture and its question go into one stage, there is nothing to
share. `composer compile --session image` makes what depends on the picture a stage of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from composer.execution.row_groups import EVERY_ROW, Inputs, RowGroups, row_groups, values_alone
from composer.execution.same_values import SameValues, is_same
from composer.plan import places_of
from composer_compile.errors import ArtifactError
from composer_compile.runtime.loaded_parts import LoadedGenerate, LoadedStage, Part

if TYPE_CHECKING:
    from composer_compile.runtime.requests import Requests

__all__ = ["SharedRows", "SharedStages"]

Stage = Callable[..., Sequence[Tensor]]


@dataclass(frozen=True)
class SharedRows:
    """A batch that was read, with the rows that its stages need."""

    tensors: Mapping[str, Tensor]
    """With every row."""
    sizes: Mapping[str, int]
    rows: Mapping[Inputs, RowGroups]
    alone: Mapping[Inputs, list[object]]
    """The raw values of inputs that are the same in all rows."""


class SharedStages:
    """How the stages of a task go through a batch whose rows share values."""

    def __init__(self, requests: Requests, order: Sequence[Part]) -> None:
        self._requests, self._host = requests, requests.host
        self._samples = requests.samples
        depends = self._dependencies(order)
        self.inputs = {
            part.name: depends[part.name]
            for part in order
            if isinstance(part, LoadedStage)
            and part.entry.samples is not None
            and part.entry.samples == self._samples
            and depends[part.name]
            and EVERY_ROW not in depends[part.name]
        }
        """What the stages depend on that can run on some rows of a batch, by name."""
        self._kept: dict[str, tuple[list[object], Sequence[Tensor]]] = {}

    def _dependencies(self, order: Sequence[Part]) -> dict[str, Inputs]:
        """The inputs that every value and every part depends on, by name."""
        per_sample = frozenset(self._host.per_sample)
        found: dict[str, Inputs] = {}
        for name in self._requests.forms:
            own = name.partition(".")[0]
            found[name] = frozenset({own, *self._host.followed(own)}) & per_sample
        for part in order:
            read = (found.get(name, frozenset({EVERY_ROW})) for name in places_of(part.reads))
            inputs: Inputs = frozenset().union(*read)
            found[part.name] = inputs
            compares = isinstance(part, LoadedStage) and part.entry.samples is None
            draws = isinstance(part, LoadedGenerate) and part.search.policy.seeded
            of_batch = (inputs and compares) or draws
            found |= dict.fromkeys(part.outputs, inputs | {EVERY_ROW} if of_batch else inputs)
        return found

    def fitted(self, raw: Mapping[str, object], same: SameValues) -> SharedRows | None:
        """See `composer.execution.task_reader.SharesRows`."""
        rows = row_groups(self._host, raw, set(self.inputs.values()))
        count = self._host.samples(raw)
        if all(len(each.firsts) == count for each in rows.values()):
            return None
        arrays = self._host.arrays(raw, raw, same.known(self._host, raw, self._host.inputs))
        tensors, sizes = self._requests.fit(self._requests.tensors(arrays))
        found = {inputs: values_alone(self._host, raw, inputs, each) for inputs, each in rows.items()}
        alone = {inputs: values for inputs, values in found.items() if values is not None}
        return SharedRows(tensors, sizes, rows, alone)

    def call(
        self, part: LoadedStage, batch: SharedRows, sizes: dict[str, int], /, **tensors: Tensor
    ) -> Sequence[Tensor]:
        """The results of a stage with all rows of the batch, from a run on those that differ."""
        inputs = self.inputs[part.name]
        rows, alone = batch.rows[inputs], batch.alone.get(inputs)
        own = {**sizes, str(self._samples): len(rows.firsts)}
        if not part.fits(own):  # it was compiled for other numbers of samples
            return part.call(sizes, **tensors)
        kept = self._kept.get(part.name)
        if alone is not None and kept is not None and is_same(alone, kept[0]):
            results = kept[1]
        else:
            count = len(rows.group)
            picked = {
                name: self._rows(part, name, value, rows.firsts, count) for name, value in tensors.items()
            }
            results = part.call(own, **picked)
            sizes.update({name: size for name, size in own.items() if name not in sizes})
        if alone is not None:
            self._kept[part.name] = alone, results
        return [
            self._rows(part, name, value, rows.group, len(rows.firsts))
            for name, value in zip(part.outputs, results, strict=True)
        ]

    def _rows(self, part: LoadedStage, name: str, value: Tensor, places: Sequence[int], count: int) -> Tensor:
        """The rows of a tensor, of which it has `count`, at these places; one without samples as it is."""
        dims = part.dims[name]
        if self._samples not in dims:
            return value
        axis = dims.index(self._samples)
        if value.ndim <= axis or value.shape[axis] != count:
            raise ArtifactError(
                f"stage {part.name}: {name} has the shape {list(value.shape)} for {count} samples, where the manifest "
                f"says {dims}: the artifact was changed, compile it anew"
            )
        return value.index_select(axis, torch.tensor(places, device=value.device))
