"""`compile:` ranges: `batch: 1..32, best 8`, read and held against the dimensions that are really free."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["Range", "parse_range"]

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
        raise ValueError(f"{text!r} is no range: write `1..32` or `1..32, best 8`")
    low, high = int(match[1]), int(match[2])
    best = int(match[3]) if match[3] else high
    if not 1 <= low <= best <= high:
        raise ValueError(f"{text!r} is no range: it needs 1 ≤ low ≤ best ≤ high")
    return Range(low, high, best)
