"""Memory of all tasks of a document loaded together, beside the largest of its tasks loaded alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from benchmarks.measuring import Row

__all__ = ["measure"]

ROOT = Path(__file__).parents[1]
LOAD = """
import sys
from benchmarks.measuring import most_resident
from composer.execution import INITIAL, load
names = sys.argv[1:]
model = load("mplug2-base", weights=INITIAL, settings={settings}, tasks=names or None)
for name in model.tasks:
    model.runner(name)
parameters = [p for m in model.modules.values() for p in m.parameters()]
print(sum(p.numel() * p.element_size() for p in parameters))
print(most_resident(), *model.tasks)
"""
TINY = {"vision_layers": 1, "text_layers": 1, "fusion_layers": 1, "decoder_layers": 1, "vocabulary": 30522}


def measure(*, quick: bool) -> list[Row]:
    """Weights, and the most resident memory of a process that builds the modules and binds the tasks."""
    together, tasks = _loaded((), quick=quick)
    alone = {task: _loaded((task,), quick=quick)[0] for task in (tasks[:2] if quick else tasks)}
    largest = max(alone, key=lambda task: alone[task][1])
    mebibyte = 2**20
    return [
        Row(
            f"{kind}, all {len(tasks)} mPLUG-2 tasks (base) together",
            together[index] / mebibyte,
            "MiB",
            f"the largest alone ({largest})",
            alone[largest][index] / mebibyte,
            together[index] / alone[largest][index],
            "<= 1.02",
        )
        for index, kind in enumerate(("weights", "resident memory"))
    ]


def _loaded(names: tuple[str, ...], *, quick: bool) -> tuple[tuple[int, int], list[str]]:
    code = LOAD.format(settings=TINY if quick else {})
    command = [sys.executable, "-c", code, *names]
    out = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()
    return (int(out[0]), int(out[1])), out[2:]
