"""What is to be measured: one cell per way to run, precision and batch, in the order of their worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

__all__ = ["BASELINE", "COMPILED", "LIVE", "REFERENCE", "Cell", "Group", "groups"]

REFERENCE, BASELINE, COMPILED = "eager", "full-prefixes", "torch-compile"
LIVE = (REFERENCE, BASELINE, COMPILED)
"""Ways to run the live model; every other one is a compile backend."""


@dataclass
class Cell:
    """One way to run at one precision and batch; `status` is pending, measured, failed or skipped."""

    contender: str
    precision: str
    batch: int
    status: str = "pending"
    reason: str = "the run ended before it was reached"
    stages: dict[str, dict[str, float | None]] = field(default_factory=dict)
    """encode, decode step, whole answer → median seconds, useful FLOP/s and bytes/s."""
    peak_bytes: int | None = None
    build_s: float | None = None
    ids: list[list[int]] = field(default_factory=list)
    """The best hypothesis of every sample."""
    parity: dict[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Group:
    """Cells that one process measures: a way to run at one precision, at growing batches."""

    contenders: tuple[str, ...]
    precision: str
    cells: tuple[Cell, ...]

    @property
    def name(self) -> str:
        return f"{' and '.join(self.contenders)}, {self.precision}"


def groups(contenders: Sequence[str], precisions: Sequence[str], batches: Sequence[int]) -> list[Group]:
    """The live model and the baseline come first: everything else is compared with them."""
    together = tuple(name for name in (REFERENCE, BASELINE) if name in contenders)
    alone = [name for name in contenders if name not in together]
    named = [(together, precision) for precision in precisions if together]
    named += [((name,), precision) for precision in precisions for name in alone]
    return [
        Group(names, precision, tuple(Cell(name, precision, batch) for batch in batches for name in names))
        for names, precision in named
    ]
