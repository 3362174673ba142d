"""`compile:` ranges: `batch: 1..32, best 8`, read and held against the dimensions that are really free."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from composer.types import Kind, PortType

__all__ = ["BATCH", "UNBOUNDED", "Range", "beyond_limits", "free_dims", "is_batch", "parse_range"]

BATCH = "batch"
UNBOUNDED = 2**31 - 1
"""The largest size in a signature that says no more than that there is no limit."""

_RANGE = re.compile(r"\s*(\d+)\s*\.\.\s*(\d+)\s*(?:,\s*best\s+(\d+)\s*)?")


@dataclass(frozen=True, slots=True)
class Range:
    """The values a free dimension may take, both ends included, and the one to be fastest at."""

    low: int
    high: int
    best: int

    def __str__(self) -> str:
        return f"{self.low}..{self.high}, best {self.best}"


def parse_range(text: str) -> Range:
    """Read `1..32` or `1..32, best 8`; raises ValueError with the cure."""
    match = _RANGE.fullmatch(text)
    if match is None:
        whole = f"`{int(text)}..{int(text)}`" if text.strip().isdecimal() else "`1..32` or `1..32, best 8`"
        raise ValueError(f"{text!r} is no range: write {whole}")
    low, high = int(match[1]), int(match[2])
    best = int(match[3]) if match[3] else high
    if not 1 <= low <= best <= high:
        raise ValueError(f"{text!r} is no range: it needs 1 ≤ low ≤ best ≤ high")
    return Range(low, high, best)


def beyond_limits(name: str, found: Range, limits: tuple[int, int]) -> str | None:
    """What is wrong with a range that goes beyond the sizes that modules take, both ends included; None if nothing."""
    low, high = limits
    if low <= found.low and found.high <= high:
        return None
    takes = f"{low} or more" if high >= UNBOUNDED else f"{low} to {high}"
    return f"`{name}` goes from {found.low} to {found.high}, and the modules of this task take {takes}"


def free_dims(inputs: Mapping[str, Mapping[str, PortType]], kinds: Mapping[str, Kind]) -> dict[str, str]:
    """Symbol → what `compile:` and `--range` call it, for the ports of every input of a task.

    `batch` counts the samples of the first input and of all that go with it; another input's own is `answers.batch`.
    Every other dimension has the name that its kind gives it, such as `question.length`. A symbol that stands only
    inside of sums, such as `2*N`, is not what the kind names: it goes by itself, as `question.N`.
    """
    names: dict[str, str] = {}
    alone = {
        dim.symbols[0]
        for ports in inputs.values()
        for found in ports.values()
        for dim in found.dims
        if dim.is_symbol
    }
    for input_, ports in inputs.items():
        for found in ports.values():
            labels = kinds[found.kind].dims if found.kind in kinds else ()
            for position, (dim, label) in enumerate(zip(found.dims, labels, strict=False)):
                for symbol in dim.symbols:
                    if not dim.is_symbol and symbol in alone:
                        continue
                    first = BATCH if BATCH not in names.values() else f"{input_}.{BATCH}"
                    other = label if dim.is_symbol else symbol.partition("@")[0]
                    names.setdefault(symbol, first if position == 0 else f"{input_}.{other}")
    return names


def is_batch(name: str) -> bool:
    """Whether a free dimension counts samples."""
    return name == BATCH or name.endswith(f".{BATCH}")
