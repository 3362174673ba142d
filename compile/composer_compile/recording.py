"""Recorded samples: inputs and what the artifact gave for them when it was made, for `composer verify`."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from composer_compile.artifact import SAMPLES, Artifact
from composer_compile.manifest import Difference
from composer_compile.parity import TOLERANCES, difference
from composer_compile.samples import corner_sizes, sample, vocabulary_sizes
from composer_compile.tasks import LoadedTask

__all__ = ["Verified", "record_samples", "verify_samples"]

REPEATS = 5


@dataclass(frozen=True)
class Verified:
    """A task on this machine, compared with the machine that compiled it."""

    task: str
    differences: tuple[Difference, ...]
    passed: bool
    first_ms: float
    """The first answer, with loading the programs."""
    median_ms: float
    """An answer after that, on the smallest sample."""


@torch.inference_mode()
def record_samples(artifact: Artifact, folder: Path) -> None:
    """Run the smallest sample of every task and write what came out."""
    from safetensors.torch import save_file

    kept: dict[str, Tensor] = {}
    for name in artifact.tasks:
        task = artifact.task(name)
        sizes = corner_sizes(task.task.ranges)[0]
        raw = sample(task.task, task.requests.first, sizes, vocabulary_sizes(task.requests.processors))
        results = _results(task, raw)
        kept.update({f"{name} in {key}": tensor.contiguous() for key, tensor in raw.items()})
        kept.update(
            {f"{name} out {key}": tensor.contiguous().cpu().clone() for key, tensor in results.items()}
        )
    save_file(dict(sorted(kept.items())), folder / SAMPLES)


@torch.inference_mode()
def verify_samples(artifact: Artifact) -> list[Verified]:
    """Run the recorded samples here; how far the results lie from the recorded ones, and how long they take."""
    recorded = artifact.samples()
    verified = []
    for name in artifact.tasks:
        raw = _part(recorded, f"{name} in ")
        expected = _part(recorded, f"{name} out ")
        started = time.perf_counter()
        results = _results(artifact.task(name), raw)
        first = time.perf_counter() - started
        tolerance = max(
            artifact.manifest.parity[name].tolerance, TOLERANCES[artifact.manifest.tasks[name].precision]
        )
        found = tuple(_compared(key, results.get(key), tensor) for key, tensor in expected.items())
        passed = all(each.max_rel <= tolerance for each in found)
        verified.append(Verified(name, found, passed, 1000 * first, 1000 * _median(artifact.task(name), raw)))
    return verified


def _part(recorded: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): tensor for key, tensor in recorded.items() if key.startswith(prefix)}


def _results(task: LoadedTask, raw: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors among the results of a task, and the ids of the best hypothesis of the first sample of each search."""
    fitted, sizes = task.requests.fit(raw)
    values: dict[str, Any] = {name: tensor.to(task.device) for name, tensor in fitted.items()}
    found: dict[str, Any] = {}
    task.walk(values, sizes, found)
    results = {f"{node}.ids": torch.tensor(searched[0][0].ids) for node, searched in found.items()}
    for entry in task.task.outputs.values():
        for name in entry.values:
            if name is not None and isinstance(values[name], Tensor) and name.partition(".")[0] not in found:
                results[name] = values[name]
    return results


def _compared(name: str, ours: Tensor | None, theirs: Tensor) -> Difference:
    if ours is None or ours.shape != theirs.shape:
        return Difference(
            output=name, sizes={}, max_abs=1e30, max_rel=1e30, ids=0.0 if name.endswith(".ids") else None
        )
    if name.endswith(".ids"):
        same = float(torch.equal(ours.cpu(), theirs.cpu()))
        return Difference(output=name, sizes={}, max_abs=1 - same, max_rel=1 - same, ids=same)
    return difference(name, {}, ours, theirs)


def _median(task: LoadedTask, raw: Mapping[str, Tensor]) -> float:
    times = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        _results(task, raw)
        if task.device.type == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - started)
    return sorted(times)[REPEATS // 2]
