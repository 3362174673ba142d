"""The programs of a stage: which free dimensions have one size in each, and which a range."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import product
from typing import TypeVar

from composer.graph import Range
from composer.types import Dim
from composer_compile.errors import SpecialSizeError
from composer_compile.tensors.specs import ProgramSpec, quotients_in

__all__ = ["SMALLEST", "Variant", "each_variant", "variants_of"]

SMALLEST = 2
"""The smallest size that a free dimension has for torch.export."""
_Made = TypeVar("_Made")


@dataclass(frozen=True)
class Variant:
    """One program of a stage: `fixed` free dimensions have that size, `ranges` gives the others."""

    fixed: Mapping[str, int]
    ranges: Mapping[str, Range]

    @property
    def label(self) -> str:
        return ", ".join(f"{name} {size}" for name, size in self.fixed.items()) or "any size"

    def holds(self, sizes: Mapping[str, int]) -> bool:
        return all(sizes[name] == size for name, size in self.fixed.items()) and all(
            found.low <= sizes[name] <= found.high for name, found in self.ranges.items()
        )


def variants_of(
    ranges: Mapping[str, Range],
    *,
    apart: bool = False,
    quotients: Sequence[Dim] = (),
    apart_quotients: Sequence[Dim] = (),
) -> tuple[Variant, ...]:
    """The programs that cover ranges: one, or with `apart` one more for size 1 of every free dimension that has it.

    torch.export takes no range of 1 and 2, so there size 1 is always apart. So are the sizes at which one of
    `quotients` is 1: with `length // 4`, a program for lengths of 4 to 7 and one for those from 8. Those of
    `apart_quotients` are apart whatever `apart` says.
    """
    choices = [
        [(name, choice) for choice in _choices(name, found, apart, quotients, apart_quotients)]
        for name, found in ranges.items()
    ]
    return tuple(
        Variant(
            {name: choice for name, choice in combination if isinstance(choice, int)},
            {name: choice for name, choice in combination if isinstance(choice, Range)},
        )
        for combination in product(*choices)
    )


def _choices(
    name: str, found: Range, apart: bool, quotients: Sequence[Dim], apart_quotients: Sequence[Dim]
) -> list[int | Range]:
    """The parts of a range: cut behind the last size at which a form is 1, where that is apart."""
    sizes = range(found.low, found.high + 1)
    lasts = set()
    own = dict.fromkeys(form for form in (*quotients, *apart_quotients) if form.symbols == (name,))
    for form in (Dim.of(name), *own):
        at_ends = [form.at({name: size}) for size in (found.low, found.high)]
        is_apart = apart or form in apart_quotients or at_ends[1] <= SMALLEST
        if at_ends[0] == 1 < at_ends[1] and is_apart:
            count = bisect_right(sizes, 1, key=lambda size: form.at({name: size}))  # called at once
            lasts.add(sizes[count - 1])
    if found.low == 1 and SMALLEST in lasts:
        lasts.add(1)
    ends = [*sorted(lasts), found.high]
    starts = [found.low, *(last + 1 for last in ends[:-1])]
    return [
        1 if high == 1 else Range(low, high, min(max(found.best, low), high))
        for low, high in zip(starts, ends, strict=True)
    ]


def each_variant(spec: ProgramSpec, made: Callable[[Variant], _Made]) -> list[_Made]:
    """`made(variant)` for the programs of a stage: with size 1 apart only where one program cannot serve it.

    Sizes at which a quotient is 1 are put apart before those that are 1 themselves: for a sound of one frame that is
    enough mostly, and a batch of one, which torch takes for something else, stays with others.
    """
    given = quotients_in(each.dims for each in spec.inputs)
    with suppress(SpecialSizeError):
        return [made(variant) for variant in variants_of(spec.ranges, quotients=given)]
    if spec.quotients:
        with suppress(SpecialSizeError):
            cut = variants_of(spec.ranges, quotients=given, apart_quotients=spec.quotients)
            return [made(variant) for variant in cut]
    every = variants_of(spec.ranges, apart=True, quotients=spec.quotients)
    return [made(variant) for variant in every]
