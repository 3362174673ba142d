"""Starting: a process with an artifact beside one with the live model, to the first answer, and the memory of both."""

from __future__ import annotations

import statistics
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.artifacts import started
from benchmarks.measuring import Row
from benchmarks.subjects import Subject

__all__ = ["starting"]

MEBIBYTE = 2**20
KINDS = {
    "whole": ("from the start of a process to its first answer, artifact", "s", 1),
    "ready": ("`load` and `warm_up` of the artifact, torch imported", "s", 1),
    "resident": (
        "resident memory after an answer, artifact (weights mapped from its file included)",
        "MiB",
        MEBIBYTE,
    ),
    "private": ("of it private, not mapped from a file, artifact", "MiB", MEBIBYTE),
}


Found = list[dict[str, Any]]


def starting(subject: Subject, path: Path, weights: str | None, *, quick: bool) -> list[Row]:
    """Both kinds of process take turns; the live model reads its weights from a checkpoint."""
    requests = {subject.task: subject.raw}
    found: dict[str, Found] = {"artifact": [], "live": []}
    threads = 1 if quick else 2
    for _ in range(1 if quick else 3):
        found["artifact"].append(started(subject, requests, artifact=path, threads=threads))
        found["live"].append(started(subject, requests, weights=weights, threads=threads))
    assert found["artifact"][0]["answers"] == found["live"][0]["answers"], "the answers differ"
    return _rows(subject, found["artifact"], found["live"])


def _rows(subject: Subject, artifact: Found, live: Found) -> list[Row]:
    beside = {"ready": "building the live model from a checkpoint"}
    budgets = {"whole": "<= 1", "ready": "<= 1.2"}
    rows = []
    for key, (title, unit, scale) in KINDS.items():
        ours, theirs = [each[key] for each in artifact], [each[key] for each in live]
        ratio = statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
        row = Row(f"{subject.document}:{subject.task}, {title}", statistics.median(ours) / scale, unit)
        rows.append(
            replace(
                row,
                beside=beside.get(key, "the live model"),
                beside_value=statistics.median(theirs) / scale,
                ratio=ratio,
                budget=budgets.get(key, ""),
            )
        )
    return rows
