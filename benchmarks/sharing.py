"""Size and memory of one, three and six tasks in one artifact, beside an artifact of one task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from benchmarks.artifacts import compiled, size_bytes, started
from benchmarks.measuring import Row
from benchmarks.subjects import MANY, Subject

__all__ = ["sharing"]

MEBIBYTE = 2**20
COUNTS = (3, 6)
RANKING = {"answers.batch": "8..9, best 9", "answers.length": "2..4, best 4"}
BUDGET = "<= 1.05"


def sharing(
    subject: Subject, one_task: Path, alone: Mapping[str, float], weights: str, *, quick: bool
) -> list[Row]:
    """Each artifact is loaded in a process of its own, which answers one request of each of its tasks.

    `one_task` is the artifact of the first of them, and `alone` the memory of a process that used it.
    """
    one = {"size": size_bytes(one_task), **alone}
    found: dict[int, dict[str, float]] = {}
    for count in COUNTS[:1] if quick else COUNTS:
        requests = dict(list(MANY.items())[:count])
        path = one_task.with_name(f"{count}-tasks")
        ranges = {**subject.ranges, **(RANKING if any("answers" in raw for raw in requests.values()) else {})}
        made = compiled(replace(subject, ranges=ranges), path, tasks=requests, weights=weights)
        if made.refused:
            raise RuntimeError(f"{count} tasks cannot be compiled together: {made.refused}")
        memory = started(subject, requests, artifact=path, threads=1 if quick else 2)
        found[count] = {"size": made.bytes, **{key: memory[key] for key in alone}}
    titles = {
        "size": "size of the artifact",
        "resident": "resident memory after a request of each task (weights mapped from the file included)",
        "private": "of it private, not mapped from a file",
    }
    return [
        Row(
            f"{subject.document}, {count} tasks, {title}",
            values[key] / MEBIBYTE,
            "MiB",
            "one task",
            one[key] / MEBIBYTE,
            values[key] / one[key],
            "" if key == "private" else BUDGET,
        )
        for key, title in titles.items()
        for count, values in found.items()
    ]
