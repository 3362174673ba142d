"""Recorded samples: inputs and what the artifact gave for them when it was made, for `composer verify`.

An artifact for another machine could not run when it was made: its samples hold what the live model gave.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from composer.execution import Runner
from composer.types.gaps import gap
from composer_compile.artifact.manifest import Difference
from composer_compile.artifact.weight_store import write_tensors
from composer_compile.errors import ArtifactError
from composer_compile.parity.corner_samples import corner_sizes, sample
from composer_compile.parity.live import first_logits, live_results
from composer_compile.patches import full_float32
from composer_compile.runtime.artifact import SAMPLES, Artifact
from composer_compile.runtime.loaded_parts import LoadedGenerate, ids_name, logits_name
from composer_compile.runtime.loaded_task import LoadedTask
from composer_compile.stages.stager import StagedTask
from composer_compile.tensors.differences import TOLERANCES, WORST, difference, within

__all__ = ["Verified", "record_live_samples", "record_samples", "verify_samples"]

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
    lacking: str | None = None
    """What it needs and no installed plugin offers, so that it was not run."""


@torch.inference_mode()
def record_samples(artifact: Artifact, folder: Path) -> None:
    """Run the smallest sample of every task and write what came out."""
    kept: dict[str, Tensor] = {}
    for name in artifact.tasks:
        task = artifact.task(name)
        raw = sample(task, corner_sizes(task.task.ranges)[0])
        kept.update(_named(name, raw, _results(task, raw)))
    _write(kept, folder)


@torch.inference_mode()
def record_live_samples(
    artifact: Artifact, live: Mapping[str, tuple[Runner, StagedTask]], folder: Path
) -> None:
    """Write what the live model gives for the samples of every task, at every corner of its ranges."""
    kept: dict[str, Tensor] = {}
    for name, (runner, staged) in live.items():
        task = artifact.task(name)
        for corner, sizes in enumerate(corner_sizes(task.task.ranges)):
            raw = sample(task, sizes)
            kept.update(_named(_label(name, corner), raw, live_results(task, runner, staged, raw)))
    _write(kept, folder)


@full_float32()
@torch.inference_mode()
def verify_samples(artifact: Artifact) -> list[Verified]:
    """Run the recorded samples here; how far the results lie from the recorded ones, and how long they take.

    Raises ArtifactError where a program is stored in two forms that are not the same program.
    """
    artifact.check_programs()
    recorded = artifact.samples()
    verified = []
    for name in artifact.tasks:
        if name in artifact.lacking:
            verified.append(Verified(name, (), False, 0.0, 0.0, artifact.lacking[name]))
            continue
        task, parity = artifact.task(name), artifact.manifest.parity[name]
        started = time.perf_counter()
        raw = _restored(task, recorded, name)
        if not set(task.requests.forms) <= set(raw):
            raise ArtifactError(
                f"{artifact.path} holds no recorded sample of task `{name}`: rebuild it with `{artifact.rebuild}`"
            )
        _results(task, raw)
        first = time.perf_counter() - started
        formats = {task.task.precision, *task.task.precisions.values()}
        tolerance = max(parity.tolerance, *(TOLERANCES[each] for each in formats))
        found = [
            each
            for corner in range(len(corner_sizes(task.task.ranges)))
            for each in _differences(task, recorded, _label(name, corner), parity.not_measured is not None)
        ]
        # Ids of the live model bind a lower precision no more than they do in the gate.
        passed = all(
            within(each, tolerance) if parity.not_measured is not None else each.max_rel <= tolerance
            for each in found
        )
        verified.append(Verified(name, tuple(found), passed, 1000 * first, 1000 * _median(task, raw)))
    return verified


def _label(task: str, corner: int) -> str:
    """What the samples of a task are recorded under; the smallest under its name alone."""
    return task if corner == 0 else f"{task}@{corner}"


def _named(label: str, raw: Mapping[str, Tensor], results: Mapping[str, Tensor]) -> dict[str, Tensor]:
    kept = {f"{label} in {key}": _stored(value) for key, value in raw.items()}
    kept.update({f"{label} out {key}": tensor.contiguous().cpu().clone() for key, tensor in results.items()})
    return kept


def _stored(value: Any) -> Tensor:
    """What a request brings as a tensor: of a list of texts, the bytes of its JSON."""
    if isinstance(value, list):
        return torch.frombuffer(bytearray(json.dumps(value).encode()), dtype=torch.uint8)
    tensor: Tensor = value.contiguous()
    return tensor


def _restored(task: LoadedTask, recorded: Mapping[str, Tensor], label: str) -> dict[str, Any]:
    """What a request brought, as it was recorded."""
    found: dict[str, Any] = _part(recorded, f"{label} in ")
    lists = {tensor.name for tensor in task.task.given if tensor.dtype == "object"}
    return {key: json.loads(bytes(value.tolist())) if key in lists else value for key, value in found.items()}


def _write(kept: Mapping[str, Tensor], folder: Path) -> None:
    write_tensors(dict(sorted(kept.items())), folder / SAMPLES)


def _differences(
    task: LoadedTask, recorded: Mapping[str, Tensor], label: str, live: bool
) -> Iterator[Difference]:
    """The results of one recorded sample beside those computed here; none where it was not recorded."""
    raw, expected = _restored(task, recorded, label), _part(recorded, f"{label} out ")
    if not raw:
        return
    results = _results(task, raw, logits=live)
    sizes = task.requests.fit(raw)[1] if live else {}
    written = {ids_name(part.name) for part in task.order if isinstance(part, LoadedGenerate)}
    for key, tensor in expected.items():
        found = _compared(key, results.get(key), tensor, is_ids=key in written, ranked=key in task.ranked)
        if live and found.ids is not None:
            found = found.model_copy(update={"max_abs": 0.0, "max_rel": 0.0})
        yield found.model_copy(update={"sizes": dict(sizes)})


def _part(recorded: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): tensor for key, tensor in recorded.items() if key.startswith(prefix)}


def _results(task: LoadedTask, raw: Mapping[str, Tensor], *, logits: bool = False) -> dict[str, Tensor]:
    """Tensors among the results of a task, and the ids of the best hypothesis of the first sample of each search.

    `logits` adds what each search starts from: the scores after its start token.
    """
    fitted, known = task.requests.fit(raw)
    values, sizes = dict[str, Any](fitted), dict(known)
    found: dict[str, Any] = {}
    task.walk(values, sizes, found)
    results = {ids_name(node): torch.tensor(searched[0][0].ids) for node, searched in found.items()}
    for entry in task.task.outputs.values():
        for name in entry.values:
            if name is not None and isinstance(values[name], Tensor) and name.partition(".")[0] not in found:
                results[name] = values[name]
    for part in task.order if logits else ():
        if isinstance(part, LoadedGenerate):
            results[logits_name(part.name)] = first_logits(part, values, sizes)
    return results


def _compared(name: str, ours: Tensor | None, theirs: Tensor, *, is_ids: bool, ranked: bool) -> Difference:
    """`is_ids`: a search wrote them, so that one other id changes all that follow."""
    found = None if ours is None else gap(ours, theirs)
    if ours is None or found is None or found.verdict == "shape":
        return Difference(output=name, sizes={}, max_abs=WORST, max_rel=WORST, ids=0.0 if is_ids else None)
    if is_ids:
        same = float(found.fine)
        return Difference(output=name, sizes={}, max_abs=1 - same, max_rel=1 - same, ids=same)
    return difference(name, {}, ours, theirs, ranked=ranked)


def _median(task: LoadedTask, raw: Mapping[str, Tensor]) -> float:
    times = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        _results(task, raw)
        if task.device.type == "cuda":
            torch.cuda.synchronize(task.device)
        times.append(time.perf_counter() - started)
    return sorted(times)[REPEATS // 2]
