"""What is known of a stage before it is compiled: its module and the names, number formats and sizes of its tensors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from composer.graph import Range, is_batch
from composer.plan import StageKind
from composer.types import Dim
from composer_compile.artifact.dtypes import DTYPES
from composer_compile.artifact.manifest import Role

__all__ = ["ProgramSpec", "TensorSpec", "quotients_in", "samples_in"]


@dataclass(frozen=True)
class TensorSpec:
    """A named tensor; its dims are numbers or forms over the free dimensions of the task."""

    name: str
    dtype: str
    dims: tuple[Dim, ...]
    role: Role = "values"
    masked_by: str | None = None
    """The tensor that says which of its rows count."""

    def shape(self, sizes: Mapping[str, int]) -> tuple[int, ...]:
        return tuple(dim.at(sizes) for dim in self.dims)

    def empty(self, sizes: Mapping[str, int], device: torch.device) -> Tensor:
        return torch.empty(self.shape(sizes), dtype=DTYPES[self.dtype], device=device)


@dataclass(frozen=True)
class ProgramSpec:
    """A stage to compile. `ranges` holds the free dimensions that its inputs depend on."""

    name: str
    module: nn.Module
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    ranges: Mapping[str, Range]
    nodes: tuple[str, ...]
    identity: Any = None
    """Equal for two stages of one artifact that compute the same, whatever their tensors are called."""
    computation: Any = None
    """Equal for two that do the same with what they are given, which may come from elsewhere and have other sizes."""
    kind: StageKind = "encode"
    """What it is for: the step of a search (`decode`) is called over and over at the same sizes."""
    declared: Mapping[str, tuple[Dim, ...]] = field(default_factory=dict)
    """The dims of tensors inside it, by name, as the types of their ports say."""

    @property
    def quotients(self) -> tuple[Dim, ...]:
        """Every size with a quotient that its tensors have, each once."""
        every = (*(each.dims for each in (*self.inputs, *self.outputs)), *self.declared.values())
        return quotients_in(every)

    def from_one(self, ranges: Mapping[str, Range]) -> tuple[Dim, ...]:
        """The quotients that are 1 at the low end of these ranges, and more at the high end."""
        ends = {name: (found.low, found.high) for name, found in ranges.items()}
        bounds = {form: form.bounds(ends, 1) for form in self.quotients}
        return tuple(form for form, (low, high) in bounds.items() if low <= 1 < high)


def samples_in(spec: ProgramSpec) -> str | None:
    """The free dimension that counts the samples of a program; None where there is none, or several, or a tensor in it
    compares samples.
    """
    every = [*(each.dims for each in (*spec.inputs, *spec.outputs)), *spec.declared.values()]
    counts = [[dim for dim in dims if any(map(is_batch, dim.symbols))] for dims in every]
    found = {dim for dims in counts for dim in dims}
    only = next(iter(found)) if len(found) == 1 else None
    if only is None or not only.is_symbol or any(len(dims) > 1 for dims in counts):
        return None
    return only.symbols[0]


def quotients_in(every: Iterable[tuple[Dim, ...]]) -> tuple[Dim, ...]:
    """The sizes with a quotient, each once."""
    return tuple(dict.fromkeys(dim for dims in every for dim in dims if not dim.is_linear))
