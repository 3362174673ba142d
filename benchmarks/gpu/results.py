"""The results: one JSON and one table, written anew after every finding: a run that is killed keeps the rest."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.gpu.page import page
from benchmarks.gpu.plan import REFERENCE, Cell, Group

__all__ = ["Results"]

BYTES = {"fp32": 4, "bf16": 2, "fp16": 2}


@dataclass
class Results:
    """Cells and what they are held against."""

    out: Path
    about: dict[str, Any]
    cells: list[Cell]
    setup: dict[str, Any] = field(default_factory=dict)

    def write(self) -> None:
        found = {**self.about, **self.setup, "cells": [cell.to_json() for cell in self.cells]}
        self.out.mkdir(parents=True, exist_ok=True)
        _replace(self.out / "results.json", json.dumps(found, indent=1, ensure_ascii=False) + "\n")
        _replace(self.out / "results.md", page(found))

    def add(self, group: Group, finding: Mapping[str, Any]) -> None:
        """Take in one line of a measuring process."""
        if "contender" not in finding:
            self.close(group, "failed", finding["failed"])
            return
        cell = next(
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
        cell.parity = {key: finding[key] for key in finding if key.endswith(("_to_fp32", "_max_rel"))}
        reference = self._reference(cell)
        if reference is not None:
            same = sum(a == b for a, b in zip(cell.ids, reference.ids, strict=True))
            cell.parity["ids_as_eager"] = same / len(cell.ids)

    def close(self, group: Group, status: str, reason: str) -> None:
        """Say why the cells that are left were not measured."""
        for cell in group.cells:
            if cell.status == "pending":
                cell.status, cell.reason = status, reason

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


def _replace(path: Path, text: str) -> None:
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    os.replace(part, path)
