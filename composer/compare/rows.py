"""What a comparison found: one row per tensor, the first diverging node, and the table of both."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from torch import Tensor

from composer.compare.case import Tolerance
from composer.problems.render.machine import json_text
from composer.types.gaps import gap

__all__ = ["CaseComparison", "Row", "compare_tensors"]


@dataclass(frozen=True)
class Row:
    """One compared tensor. `verdict` is `ok`, `differs`, `not finite`, `shape` or `not recorded`."""

    run: str
    port: str
    recorded: str
    shape: tuple[int, ...]
    max_absolute: float
    max_relative: float
    verdict: str

    @property
    def ok(self) -> bool:
        return self.verdict in ("ok", "not recorded")


@dataclass(frozen=True)
class CaseComparison:
    """The table of a case. `first` names the first diverging node, in running order, per run."""

    case: str
    rows: tuple[Row, ...]
    first: Mapping[str, str]

    @property
    def ok(self) -> bool:
        return all(row.ok for row in self.rows)

    def to_json(self) -> str:
        rows = [
            {
                **asdict(row),
                "max_absolute": _plain(row.max_absolute),
                "max_relative": _plain(row.max_relative),
            }
            for row in self.rows
        ]
        return json_text({"case": self.case, "ok": self.ok, "first": dict(self.first), "rows": rows})

    def __str__(self) -> str:
        width = max((len(row.port) for row in self.rows), default=4)
        wide = max((len(row.recorded) for row in self.rows), default=8)
        first = max((10, *(len(row.run) for row in self.rows)))
        lines = [
            f"{'run':<{first}} {'port':<{width}} {'recorded':<{wide}} {'shape':<18} {'max abs':>9} {'max rel':>9}"
        ]
        for row in self.rows:
            shape = "x".join(map(str, row.shape)) or "scalar"
            numbers = (
                f"{row.max_absolute:9.2e} {row.max_relative:9.2e}"
                if row.verdict in ("ok", "differs", "not finite")
                else " " * 19
            )
            lines.append(
                f"{row.run:<{first}} {row.port:<{width}} {row.recorded:<{wide}} {shape:<18} {numbers}  {row.verdict}"
            )
        for run, node in self.first.items():
            lines.append(f"run {run}: the first diverging node is `{node}`")
        good = sum(row.verdict == "ok" for row in self.rows)
        left = sum(row.verdict == "not recorded" for row in self.rows)
        told = f"{self.case}: {good} of {len(self.rows) - left} tensors agree"
        lines.append(told + (f", {left} not recorded" if left else "") + ("" if self.ok else ": MISS"))
        return "\n".join(lines)


def compare_tensors(
    run: str, port: str, name: str, ours: Tensor, recorded: Tensor, tolerance: Tolerance
) -> Row:
    """The row of one tensor, judged by `gap`."""
    found = gap(ours, recorded, absolute=tolerance.absolute, relative=tolerance.relative)
    verdict = f"shape {tuple(recorded.shape)}" if found.verdict == "shape" else found.verdict
    return Row(run, port, name, tuple(ours.shape), found.absolute, found.relative, verdict)


def _plain(value: float) -> float | None:
    return value if math.isfinite(value) else None
