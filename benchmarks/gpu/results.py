"""The results: one JSON and one table, written anew after every finding: a run that is killed keeps the rest.

A second run into the same folder takes in what the first one measured, and goes on with what is missing.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.gpu.page import page
from benchmarks.gpu.plan import REFERENCE, Cell, Group, Section

__all__ = ["FILE", "Results"]

FILE = "results.json"
BYTES = {"fp32": 4, "bf16": 2, "fp16": 2}
SAME = ("document", "task", "settings", "weights", "device", "commit")
"""What two runs must have in common for their numbers to stand in one table."""


@dataclass
class Results:
    """Cells, sections and what they are held against."""

    out: Path
    about: dict[str, Any]
    cells: list[Cell] = field(default_factory=list)
    sections: list[Section] = field(default_factory=list)
    setup: dict[str, Any] = field(default_factory=dict)

    def resume(self) -> str | None:
        """Take in what an earlier run left in the folder; what keeps that from being done, in one sentence."""
        path = self.out / FILE
        if not path.is_file():
            return None
        found: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        other = [name for name in SAME if found.get(name) != self.about[name]]
        if other:
            return (
                f"{path} was measured with another {' and '.join(other)}: give --fresh to begin anew there, or name "
                "another folder with --out"
            )
        self.cells = [Cell(**cell) for cell in found["cells"]]
        self.sections = [Section(**section) for section in found["sections"]]
        self.setup = {name: value for name, value in found.items() if name not in (*self.about, *KEPT_APART)}
        return None

    def plan(self, groups: Sequence[Group]) -> list[Group]:
        """The groups with what is known of them; those that were never reached come before those that failed."""
        cells = {cell.key: cell for cell in self.cells}
        sections = {section.name: section for section in self.sections}
        merged = []
        for group in groups:
            own = tuple(cells.setdefault(cell.key, cell) for cell in group.cells)
            section = group.section and sections.setdefault(group.section.name, group.section)
            merged.append(Group(group.part, group.precision, group.contenders, own, section))
        self.cells, self.sections = list(cells.values()), list(sections.values())
        missing = [group for group in merged if group.open]
        return sorted(missing, key=lambda group: all(each.status == "failed" for each in group.open))

    def write(self) -> None:
        found = {
            **self.about,
            **self.setup,
            "cells": [cell.to_json() for cell in self.cells],
            "sections": [section.to_json() for section in self.sections],
        }
        self.out.mkdir(parents=True, exist_ok=True)
        _replace(self.out / FILE, json.dumps(found, indent=1, ensure_ascii=False) + "\n")
        _replace(self.out / "results.md", page(found))

    def add(self, group: Group, finding: Mapping[str, Any]) -> None:
        """Take in one line of a measuring process."""
        if "failed" in finding and "contender" not in finding:
            self.close(group, "failed", finding["failed"])
        elif group.section is not None:
            group.section.rows.append(dict(finding))
        else:
            self._add_cell(group, finding)

    def _add_cell(self, group: Group, finding: Mapping[str, Any]) -> None:
        (cell,) = (
            each
            for each in group.cells
            if (each.contender, each.batch) == (finding["contender"], finding["batch"])
        )
        cell.build_s = finding.get("build_s", finding.get("first_s"))
        if "failed" in finding:
            cell.status, cell.reason = "failed", finding["failed"]
            return
        cell.status, cell.reason = "measured", ""
        cell.peak_bytes, cell.ids = finding["peak_bytes"], finding["ids"]
        cell.stages = self._stages(cell, finding)
        cell.parity = dict(finding["parity"])
        reference = self._reference(cell)
        if reference is not None:
            same = sum(a == b for a, b in zip(cell.ids, reference.ids, strict=True))
            cell.parity["ids_as_eager"] = same / len(cell.ids)

    def begin(self, group: Group) -> None:
        """A section that did not end well is measured anew."""
        if group.section is not None:
            group.section.rows = []

    def close(self, group: Group, status: str, reason: str) -> None:
        """Say how a group ended: why what is left was not measured, or that its section is complete."""
        for each in group.open:
            each.status, each.reason = status, reason

    def is_known(self, group: Group, batch: int) -> bool:
        """Whether a way of the group was measured at a batch."""
        ways = {(name, group.precision, batch) for name in group.contenders}
        return any(cell.key in ways and cell.status == "measured" for cell in self.cells)

    def _reference(self, cell: Cell) -> Cell | None:
        for each in self.cells:
            same = (each.precision, each.batch) == (cell.precision, cell.batch)
            if each.contender == REFERENCE and each.status == "measured" and same:
                return each
        return None

    def _stages(self, cell: Cell, finding: Mapping[str, Any]) -> dict[str, dict[str, float | None]]:
        """Useful work over time: what the program with a cache has to compute, and the least it has to read.

        That is every weight of the stage once, and for a decode step the cache as well.
        """
        flops: Mapping[str, int] = self.setup["flops"][str(cell.batch)]
        parameters: Mapping[str, int] = self.setup["parameters"]
        width = BYTES[cell.precision]
        encode = width * sum(count for name, count in parameters.items() if name != "decoder")
        step = width * parameters["decoder"] + finding["state_bytes"]
        least = {"encode": encode, "decode step": step, "whole answer": encode + self.about["tokens"] * step}
        return {
            name: {
                "seconds": seconds,
                "flops_per_s": flops[name] / seconds,
                "bytes_per_s": least[name] / seconds,
            }
            for name, seconds in finding["seconds"].items()
        }


KEPT_APART = ("cells", "sections")


def _replace(path: Path, text: str) -> None:
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    os.replace(part, path)
