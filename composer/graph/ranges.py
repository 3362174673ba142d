"""`compile:` ranges: `batch: 1..32, best 8`, read and held against the dimensions that are really free."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from composer.types import BATCH, UNBOUNDED, Kind, PortType, Symbol

__all__ = ["BATCH", "FreeDim", "Range", "beyond_limits", "free_dim", "free_dims", "is_batch", "parse_range"]

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
        size = int(text) if text.strip().isdecimal() else 0
        whole = f"`{size}..{size}`" if size else "`1..32` or `1..32, best 8`"
        raise ValueError(f"{text!r} is not a range: write {whole}")
    low, high = int(match[1]), int(match[2])
    best = int(match[3]) if match[3] else high
    if not 1 <= low <= best <= high:
        raise ValueError(f"{text!r} is not a range: it needs 1 ≤ low ≤ best ≤ high")
    return Range(low, high, best)


def beyond_limits(name: str, found: Range, limits: tuple[int, int]) -> str | None:
    """What is wrong with a range that goes beyond the sizes that modules take, both ends included; None if nothing."""
    low, high = limits
    if low <= found.low and found.high <= high:
        return None
    takes = f"{low} or more" if high >= UNBOUNDED else f"{low} to {high}"
    return f"`{name}` goes from {found.low} to {found.high}, and the modules of this task take {takes}"


@dataclass(frozen=True, slots=True)
class FreeDim:
    """A size that requests bring: what `compile:`, `--range` and `--at` call it, and the symbols that stand for it."""

    name: str
    symbols: tuple[Symbol, ...]
    limits: tuple[int, int]
    """What the modules of the task take, both ends included."""


def free_dims(
    inputs: Mapping[str, Mapping[str, PortType]],
    kinds: Mapping[str, Kind],
    ranges: Mapping[Symbol, tuple[int, int]],
) -> dict[str, FreeDim]:
    """The free dimensions of a task by name: those of the ports of every input. `ranges` bounds symbols.

    `batch` counts the samples of the first input and of all that go with it; another input's own is `answers.batch`.
    Every other dimension has the name that its kind gives it, such as `question.length`. A symbol that stands only
    inside of sums, such as `2*N`, is not what the kind names: it goes by itself, as `question.N`.
    """
    names = _named(inputs, kinds)
    symbols: dict[str, list[Symbol]] = {}
    for symbol, name in names.items():
        symbols.setdefault(name, []).append(symbol)
    return {name: free_dim(name, own, ranges) for name, own in symbols.items()}


def free_dim(name: str, symbols: Iterable[Symbol], ranges: Mapping[Symbol, tuple[int, int]]) -> FreeDim:
    """A free dimension with the limits that all of its symbols have in common."""
    own = tuple(symbols)
    limits = [ranges.get(symbol, (1, UNBOUNDED)) for symbol in own]
    return FreeDim(name, own, (max(low for low, _ in limits), min(high for _, high in limits)))


def _named(inputs: Mapping[str, Mapping[str, PortType]], kinds: Mapping[str, Kind]) -> dict[Symbol, str]:
    """Symbol → the name of its free dimension."""
    names: dict[Symbol, str] = {}
    alone = {
        dim.symbols[0]
        for ports in inputs.values()
        for found in ports.values()
        for dim in found.dims
        if dim.is_symbol
    }
    for input_, ports in inputs.items():
        for found in ports.values():
            kind = kinds.get(found.kind)
            labels = kind.dims if kind is not None else ()
            shown = (
                {axis for field in kind.fields.values() for axis in field.dims} if kind is not None else ()
            )
            for position, (dim, label) in enumerate(zip(found.dims, labels, strict=False)):
                if position not in shown:
                    continue  # a size that another input shows: no tensor of this one has it
                for symbol in dim.symbols:
                    if not dim.is_symbol and symbol in alone:
                        continue
                    first = BATCH if BATCH not in names.values() else f"{input_}.{BATCH}"
                    other = label if dim.is_symbol else symbol.name
                    is_first = kind is not None and position == kind.batch_axis
                    names.setdefault(symbol, first if is_first else f"{input_}.{other}")
    return names


def is_batch(name: str) -> bool:
    """Whether a free dimension counts samples."""
    return name == BATCH or name.endswith(f".{BATCH}")
