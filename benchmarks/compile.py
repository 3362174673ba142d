"""Compiling: seconds and size of the artifact, for every backend that is registered."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from benchmarks.artifacts import ELSEWHERE, Made, compiled
from benchmarks.measuring import Row
from benchmarks.subjects import Subject, base, quickstart
from composer.execution import INITIAL
from composer.plugin import load_registry

__all__ = ["measure"]

MEBIBYTE = 2**20
QUICKSTART = ("image-qa", "image-caption", "video-caption")


def measure(*, quick: bool) -> list[Row]:
    """One task at batch 1, each in a process of its own: checking, building, compiling, comparing and writing."""
    subjects = [(base(tiny=quick), INITIAL)] if quick else [(quickstart(), None), (base(tiny=quick), INITIAL)]
    rows = []
    for subject, weights in subjects:
        for backend in ["export"] if quick else load_registry().backends:
            given = {} if torch.cuda.is_available() else ELSEWHERE.get(backend, {})
            with tempfile.TemporaryDirectory() as folder:
                made = compiled(subject, Path(folder, "artifact"), backend=backend, weights=weights, **given)
                rows += _rows(subject, backend, given, made)
    if not quick:
        rows.append(_side_by_side(quickstart()))
    return rows


def _side_by_side(subject: Subject) -> Row:
    """All tasks by `inductor`, with two processes that build beside one."""
    seconds = {}
    for jobs in (1, 2):
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder, "artifact")
            seconds[jobs] = compiled(subject, out, backend="inductor", tasks=QUICKSTART, jobs=jobs).seconds
    what = f"{subject.document}, {len(QUICKSTART)} tasks, inductor: compiling with two jobs"
    return Row(what, seconds[2], "s", "one job", seconds[1], seconds[2] / seconds[1])


def _rows(subject: Subject, backend: str, given: Mapping[str, Any], made: Made) -> list[Row]:
    what = f"{subject.document}:{subject.task}, {backend}"
    if given:
        what += f" ({', '.join([*given['targets'], given['precision']])})"
    if made.refused:
        return [Row(f"{what}: compiling", None, "s", note=f"not built: {made.refused}")]
    seconds = Row(f"{what}: compiling", made.seconds, "s")
    size = Row(f"{what}: size of the artifact", made.bytes / MEBIBYTE, "MiB")
    if backend == "tensorrt":  # engines hold most weights themselves
        return [seconds, size]
    weights = (made.path / "weights.safetensors").stat().st_size
    return [
        seconds,
        replace(size, beside="its weights", beside_value=weights / MEBIBYTE, ratio=made.bytes / weights),
    ]
