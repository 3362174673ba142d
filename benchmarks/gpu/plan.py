"""What is to be measured, in parts, the most telling first: cells of one table, and sections of their own. No torch."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

__all__ = [
    "BASELINE",
    "COMPILED",
    "FUSED",
    "LIVE",
    "REFERENCE",
    "REST",
    "SECTIONS",
    "Cell",
    "Group",
    "Section",
    "SectionModule",
    "parts_known",
    "planned",
    "section_module",
]

REFERENCE, FUSED, BASELINE, COMPILED = "eager", "fused", "full-prefixes", "torch-compile"
LIVE = (REFERENCE, FUSED, BASELINE, COMPILED)
"""Ways to run the live model; every other one is a compile backend."""
SECTIONS = {"train": "benchmarks.gpu.training", "profile": "benchmarks.gpu.profiling"}
"""Parts that are no cells of the table → the module that measures them and writes their section (`SectionModule`)."""
LATE = {"fuse": FUSED, "compile": COMPILED, "prefixes": BASELINE}
REST = "batches"
"""The part of all other batch sizes, of every way to run that was measured at the first one."""


class SectionModule(Protocol):
    """What a module of `SECTIONS` has. It imports torch inside its functions only."""

    TITLE: str

    def find(self, job: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Rows, each as soon as it is known: runs in a process of its own, on what `preparing` left."""
        ...

    def page(self, rows: Sequence[Mapping[str, Any]]) -> str:
        """The Markdown below the title."""
        ...


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
    parity: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str, int]:
        return (self.contender, self.precision, self.batch)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass
class Section:
    """A part that has rows of its own."""

    name: str
    status: str = "pending"
    reason: str = "the run ended before it was reached"
    rows: list[dict[str, Any]] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Group:
    """What one process measures: ways to run at one precision, at growing batches; or a section."""

    part: str
    precision: str
    contenders: tuple[str, ...] = ()
    cells: tuple[Cell, ...] = ()
    section: Section | None = None

    @property
    def name(self) -> str:
        return f"{self.part}: {' and '.join(self.contenders) or self.part}, {self.precision}"

    @property
    def kind(self) -> str:
        if self.section is not None:
            return "section"
        return "live" if self.contenders[0] in LIVE else "artifact"

    @property
    def open(self) -> tuple[Cell | Section, ...]:
        """What of it is not measured."""
        every = self.cells if self.section is None else (self.section,)
        return tuple(each for each in every if each.status != "measured")


def parts_known(backends: Sequence[str]) -> tuple[str, ...]:
    """The names of all parts, in the order in which they are measured."""
    return ("live", *SECTIONS, *backends, *LATE, REST)


def section_module(name: str) -> SectionModule:
    found: Any = importlib.import_module(SECTIONS[name])
    module: SectionModule = found
    return module


def planned(
    parts: Sequence[str], backends: Sequence[str], precisions: Sequence[str], batches: Sequence[int]
) -> list[Group]:
    """The groups of the parts, in the order of `parts_known`: what is compared with the live model comes after it."""
    found: list[Group] = []
    for part in parts_known(backends):
        if part not in parts:
            continue
        for precision in precisions:
            if part in SECTIONS:
                found.append(Group(part, precision, section=Section(f"{part}, {precision}")))
            elif part == REST:
                found += _rest(backends, precision, batches[1:])
            else:
                name = REFERENCE if part == "live" else LATE.get(part, part)
                found.append(_group(part, precision, (name,), batches[:1]))
    return found


def _rest(backends: Sequence[str], precision: str, batches: Sequence[int]) -> list[Group]:
    alone = (*backends, FUSED, COMPILED)
    ways: list[tuple[str, ...]] = [(REFERENCE, BASELINE), *((name,) for name in alone)]
    return [_group(REST, precision, names, batches) for names in ways if batches]


def _group(part: str, precision: str, names: tuple[str, ...], batches: Sequence[int]) -> Group:
    cells = tuple(Cell(name, precision, batch) for batch in batches for name in names)
    return Group(part, precision, names, cells)
