"""Stages that do the same at other sizes, as one stage whose sizes reach from the least to the most of theirs.

A document says of two tasks that one reads sixteen frames and the other four: their programs differ in one number. A
backend whose programs are large and take ranges builds one for both.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from composer.graph import Range
from composer.types import Dim
from composer_compile.stages.modules import StageModule, StepModule
from composer_compile.stages.probe import probe
from composer_compile.tensors.differences import is_same
from composer_compile.tensors.random_tensors import random_inputs
from composer_compile.tensors.specs import ProgramSpec

__all__ = ["Joined", "join_stages"]


@dataclass(frozen=True)
class Joined:
    """Stages that differ in sizes alone, and the one that can stand for all of them."""

    members: tuple[ProgramSpec, ...]
    spec: ProgramSpec | None
    """The one; None where it would do something else for one of them."""
    reason: str = ""
    """Why there is none."""


def join_stages(specs: Iterable[ProgramSpec]) -> list[Joined]:
    """Those of the stages that do the same, in groups that one stage can stand for.

    That they do is not left to their digests: each runs once at its smallest sizes, and so does the one for all.
    """
    groups: dict[Any, list[ProgramSpec]] = {}
    for spec in specs:
        groups.setdefault(_form(spec), []).append(spec)
    return [
        _joined(tuple(members)) for members in groups.values() if len({_key(each) for each in members}) > 1
    ]


def _form(spec: ProgramSpec) -> Any:
    """Equal for stages that can differ in sizes alone."""
    inputs = tuple((each.dtype, len(each.dims), each.role) for each in spec.inputs)
    return spec.kind, spec.computation, inputs, tuple(each.role for each in spec.outputs)


def _key(spec: ProgramSpec) -> Any:
    """Equal for stages that are one program anyway."""
    return spec.identity, tuple(each.dims for each in spec.inputs), tuple(spec.ranges.items())


def _joined(members: tuple[ProgramSpec, ...]) -> Joined:
    first = members[0]
    assert isinstance(first.module, (StageModule, StepModule))
    sizes = _Sizes(members)
    inputs = [
        replace(mine, dims=tuple(map(sizes.joined, zip(*(each.dims for each in same), strict=True))))
        for mine, same in zip(first.inputs, zip(*(each.inputs for each in members), strict=True), strict=True)
    ]
    try:
        _, found = probe(first.module, inputs, sizes.ranges, {})
        other = next((each for each in members[1:] if not _does_the_same(first, each)), None)
    except Exception as error:  # a module is foreign code: what it does not do at other sizes stays apart
        return Joined(members, None, (str(error).splitlines() or [type(error).__name__])[0])
    if other is not None:
        return Joined(members, None, f"it does not do what {', '.join(other.nodes)} does")
    outputs = [replace(mine, dims=each.dims) for mine, each in zip(first.outputs, found, strict=True)]
    one = replace(first, inputs=tuple(inputs), outputs=tuple(outputs), ranges=sizes.ranges, declared={})
    return Joined(members, one)


def _does_the_same(first: ProgramSpec, other: ProgramSpec) -> bool:
    generator = torch.Generator().manual_seed(0)
    device = next((parameter.device for parameter in first.module.parameters()), torch.device("cpu"))
    smallest = {name: found.low for name, found in other.ranges.items()}
    given = random_inputs(other.inputs, smallest, generator, device)
    with torch.no_grad():
        ours, theirs = first.module(*given), other.module(*given)
    return all(is_same(mine, other) for mine, other in zip(ours, theirs, strict=True))


class _Sizes:
    """The free dimensions of the stage for all members: one for every size in which they differ."""

    def __init__(self, members: Sequence[ProgramSpec]) -> None:
        self.members = members
        self.ranges: dict[str, Range] = {}
        self.known: dict[tuple[Dim, ...], Dim] = {}
        """The size of one axis in every member → what it is for all."""

    def joined(self, sizes: tuple[Dim, ...]) -> Dim:
        if sizes not in self.known:
            self.known[sizes] = self._made(sizes)
        return self.known[sizes]

    def _made(self, sizes: tuple[Dim, ...]) -> Dim:
        if len(set(sizes)) == 1 and sizes[0].is_number:
            return sizes[0]
        for others, form in self.known.items():
            apart = {size - other for size, other in zip(sizes, others, strict=True)}
            if len(apart) == 1 and (distance := apart.pop()).is_number and not form.is_number:
                return form + distance
        is_one = len(set(sizes)) == 1 and sizes[0].is_symbol
        name = str(sizes[0]) if is_one else f"size{len(self.ranges) + 1}"
        self.ranges[name] = self._reach(sizes)
        return Dim.of(name)

    def _reach(self, sizes: tuple[Dim, ...]) -> Range:
        """From the least to the most; best is the largest of what is best for one, as there time counts most."""
        lows, highs, best = [], [], []
        for size, member in zip(sizes, self.members, strict=True):
            low, high = size.bounds({name: (found.low, found.high) for name, found in member.ranges.items()})
            lows.append(low)
            highs.append(high)
            best.append(size.at({name: found.best for name, found in member.ranges.items()}))
        return Range(min(lows), max(highs), max(best))
