"""Size and memory of one, three and six tasks in one artifact, beside an artifact of one task."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from composer_compile.artifact.container import open_container
from composer_compile.artifact.weight_store import WEIGHTS
from composer_compile.backends.tensorrt.program_file import EngineStep, unpack

from benchmarks.artifacts import ELSEWHERE, compiled, save_random_weights, started
from benchmarks.measuring import Row
from benchmarks.subjects import MANY, Subject, base
from composer.plugin import load_registry

__all__ = ["measure"]

MEBIBYTE = 2**20
ENGINE_BYTES = 5_000_000
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
    allowed = {"allowed": _allowed(out)} if backend == "tensorrt" else {}
    return {
        "size": made.bytes,
        **allowed,
        **{key: memory[key] for key in ("resident", "private") if key in memory},
    }


def _allowed(out: Path) -> float:
    """Bytes of the stored weights, and 5 MB for each engine."""
    container = open_container(out)
    programs = {program.file for task in container.manifest.tasks.values() for program in task.programs}
    steps = [step for name in programs for step in unpack(container.read(name)).program.steps]
    engines = sum(isinstance(step, EngineStep) for step in steps)
    return float(container.manifest.files[WEIGHTS].bytes + ENGINE_BYTES * engines)


def _rows(
    subject: Subject, backend: str, given: Mapping[str, Any], found: Mapping[int, Mapping[str, float]]
) -> list[Row]:
    one = found.get(1, {})
    own = [
        Row(
            f"{_what(subject, backend, given, count)}, {TITLES['size']}",
            values["size"] / MEBIBYTE,
            "MiB",
            "its weights and 5 MB for each engine",
            values["allowed"] / MEBIBYTE,
            values["size"] / values["allowed"],
            "<= 1",
        )
        for count, values in found.items()
        if "allowed" in values
    ]
    return own + [
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
        if key in TITLES
        for count, values in found.items()
        if count > 1
    ]


def _what(subject: Subject, backend: str, given: Mapping[str, Any], count: int) -> str:
    how = f" ({', '.join([*given['targets'], given['precision']])})" if given else ""
    return f"{subject.document}, {backend}{how}, {count} task{'s' if count > 1 else ''}"
