"""Artifacts beside live models: latency and starting."""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks.artifacts import compiled, save_random_weights
from benchmarks.latency import latency
from benchmarks.measuring import Row
from benchmarks.starting import starting
from benchmarks.subjects import Subject, base, quickstart

__all__ = ["measure"]


def measure(*, quick: bool) -> list[Row]:
    """Batch 1, two threads; backend export unless another is named. mPLUG-2 has the same random weights everywhere."""
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        large = base(tiny=quick)
        weights = save_random_weights(large, folder / "random.safetensors")
        subjects: list[tuple[Subject, str | None]] = [(large, weights)]
        for subject, checkpoint in subjects if quick else [(quickstart(), None), *subjects]:
            made = compiled(subject, folder / subject.document, weights=checkpoint)
            if made.refused:
                raise RuntimeError(f"{subject.document} cannot be compiled: {made.refused}")
            rows += latency(subject, made.path, checkpoint, quick=quick)
            rows += [] if quick else _by_library(subject, folder / f"{subject.document}-library", checkpoint)
            rows += starting(subject, made.path, checkpoint, quick=quick)
        return rows


def _by_library(subject: Subject, out: Path, checkpoint: str | None) -> list[Row]:
    """The latency of the same task as libraries of inductor."""
    made = compiled(subject, out, backend="inductor", weights=checkpoint)
    if made.refused:
        return [
            Row(f"{subject.document}:{subject.task}, inductor", None, "s", note=f"not built: {made.refused}")
        ]
    return latency(subject, made.path, checkpoint, quick=False, artifact="the artifact of inductor")
