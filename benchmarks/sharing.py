"""Size and memory of one, three and six tasks in one artifact, beside an artifact of one task."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from benchmarks.artifacts import ELSEWHERE, compiled, save_random_weights, started
from benchmarks.measuring import Row
from benchmarks.subjects import MANY, Subject, base
from composer.plugin import load_registry

__all__ = ["measure"]

MEBIBYTE = 2**20
COUNTS = (1, 3, 6)
RANKING = {"answers.batch": "8..9, best 9", "answers.length": "2..4, best 4"}
BUDGET = "<= 1.05"
TITLES = {
    "size": "size of the artifact",
    "resident": "resident memory after a request of each task (weights mapped from the file included)",
    "private": "of it private, not mapped from a file",
}


def measure(*, quick: bool) -> list[Row]:
    """Each artifact is loaded in a process of its own, which answers one request of each of its tasks.

    An artifact for a GPU that is elsewhere has a size and no memory.
    """
    rows: list[Row] = []
    subject = base(tiny=quick)
    with tempfile.TemporaryDirectory() as name:
        weights = save_random_weights(subject, Path(name, "random.safetensors"))
        for backend in ["export"] if quick else load_registry().backends:
            given = {} if torch.cuda.is_available() else ELSEWHERE.get(backend, {})
            found: dict[int, dict[str, float]] = {}
            for count in COUNTS[:2] if quick else COUNTS:
                with tempfile.TemporaryDirectory(dir=name) as folder:
                    values = _values(subject, count, Path(folder, "artifact"), backend, weights, given)
                if isinstance(values, str):
                    rows.append(Row(_what(subject, backend, given, count), None, "MiB", note=values))
                    break
                found[count] = values
            rows += _rows(subject, backend, given, found)
    return rows


def _values(
    subject: Subject, count: int, out: Path, backend: str, weights: str, given: Mapping[str, Any]
) -> dict[str, float] | str:
    """What is measured of an artifact of so many tasks; or why it is not built."""
    requests = dict(list(MANY.items())[:count])
    ranges = {**subject.ranges, **(RANKING if any("answers" in raw for raw in requests.values()) else {})}
    wanted = replace(subject, ranges=ranges)
    made = compiled(wanted, out, backend=backend, tasks=requests, weights=weights, **given)
    if made.refused:
        return f"not built: {made.refused}"
    memory = {} if given else started(subject, requests, artifact=out)
    return {"size": made.bytes, **{key: memory[key] for key in ("resident", "private") if key in memory}}


def _rows(
    subject: Subject, backend: str, given: Mapping[str, Any], found: Mapping[int, Mapping[str, float]]
) -> list[Row]:
    one = found.get(1, {})
    return [
        Row(
            f"{_what(subject, backend, given, count)}, {TITLES[key]}",
            values[key] / MEBIBYTE,
            "MiB",
            "one task",
            one[key] / MEBIBYTE,
            values[key] / one[key],
            "" if key == "private" else BUDGET,
        )
        for key in one
        for count, values in found.items()
        if count > 1
    ]


def _what(subject: Subject, backend: str, given: Mapping[str, Any], count: int) -> str:
    how = f" ({', '.join([*given['targets'], given['precision']])})" if given else ""
    return f"{subject.document}, {backend}{how}, {count} tasks"
