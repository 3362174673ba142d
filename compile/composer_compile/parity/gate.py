"""The gate: compiled and live programs on the same samples, and where they part."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from composer.execution import Runner
from composer_compile.artifact.dtypes import DTYPES
from composer_compile.artifact.manifest import Difference, Parity
from composer_compile.parity.corner_samples import corner_sizes, sample, vocabulary_sizes
from composer_compile.runtime.loaded_task import (
    LoadedGenerate,
    LoadedHostCall,
    LoadedStage,
    LoadedTask,
    new_sizes,
)
from composer_compile.stages.modules import cache_name
from composer_compile.stages.stager import Staged
from composer_compile.tensors.differences import difference, within

__all__ = ["compare_task", "first_logits", "grouped", "live_results", "live_values", "searched"]


@dataclass
class TaskComparison:
    """What comparing a task gave, and the samples for `composer verify`."""

    parity: Parity
    missed: str | None
    """The first output beyond the tolerance."""


@torch.inference_mode()
def compare_task(
    loaded: LoadedTask,
    runner: Runner,
    staged: Staged,
    tolerance: float,
    progress: Callable[[str], None] = lambda line: None,
) -> TaskComparison:
    """Run every sample through the loaded artifact and the live model; `progress` hears of each: large ones take long.

    `staged` holds the live stages in full precision: every output of every program is compared on the live inputs (for
    what comes after a search, on what the live search gave), and the task's own results from one end to the other.
    """
    found: list[Difference] = []
    vocabulary = vocabulary_sizes(loaded.requests.host.processors)
    corners = corner_sizes(loaded.task.ranges)
    for number, sizes in enumerate(corners, 1):
        at = ", ".join(f"{name}={size}" for name, size in sizes.items()) or "its only sizes"
        progress(f"comparing with the live model, {number} of {len(corners)}: {at}")
        raw = sample(loaded.task, sizes, vocabulary)
        live = live_values(runner, loaded, raw)
        found += _stages(loaded, staged, runner, live[0], raw, sizes)
        found += _results(loaded, runner, live, raw, sizes)
    missed = next((each for each in found if not within(each, tolerance)), None)
    parity = Parity(tolerance=tolerance, passed=missed is None, differences=found)
    return TaskComparison(parity, missed.output if missed else None)


def _stages(
    loaded: LoadedTask,
    staged: Staged,
    runner: Runner,
    slots: Sequence[object],
    raw: Mapping[str, Tensor],
    shown: Mapping[str, int],
) -> list[Difference]:
    """The programs one by one, each on what the live stages before it gave."""
    values, sizes = loaded.requests.fit(raw)
    found: list[Difference] = []
    for part in loaded.order:
        if isinstance(part, LoadedHostCall):
            continue
        if isinstance(part, LoadedStage):
            reference = _reference(staged, part.entry.name, [values[name] for name in part.inputs])
            known = {**sizes, **new_sizes(part, values, sizes)}
            results = dict(zip(part.outputs, part.run(_cast(part, values), known), strict=True))
        else:
            reference, results = _first_steps(part, staged, values, sizes)
            values.update(searched(part.entry.node, runner, slots, loaded.device))
        found += grouped(loaded, results, reference, shown)
        values.update(reference)
    return found


def _reference(staged: Staged, name: str, inputs: Sequence[Tensor]) -> dict[str, Tensor]:
    spec = staged.specs[name]
    full = [
        tensor.to(DTYPES[entry.dtype]) if tensor.is_floating_point() else tensor
        for tensor, entry in zip(inputs, spec.inputs, strict=True)
    ]
    outcome = spec.module.outcome(*full)  # type: ignore[operator]
    return dict(outcome.tensors)


def _cast(part: LoadedStage, values: Mapping[str, Tensor]) -> list[Tensor]:
    return [values[entry.name].to(DTYPES[entry.dtype]) for entry in part.entry.inputs]


def _first_steps(
    part: LoadedGenerate, staged: Staged, values: Mapping[str, Tensor], sizes: Mapping[str, int]
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The logits after the start token: (live, compiled)."""
    dtypes = {entry.name: DTYPES[entry.dtype] for entry in part.entry.decode.inputs}
    given = {name: values[name].to(dtypes[name]) for name in part.decoder.cached}
    name = f"{part.entry.node}.logits"
    return {name: _live_logits(part, staged, values, sizes)}, {name: first_logits(part, given, sizes)}


def first_logits(part: LoadedGenerate, values: Mapping[str, Tensor], sizes: Mapping[str, int]) -> Tensor:
    """What the compiled decoder gives after the start token, on the cache among `values`."""
    rows = sizes[part.entry.batch]
    logits, _ = part.decoder.step(_start(part, values, rows)[0], part.decoder.start(values, rows, sizes))
    return logits


def _live_logits(
    part: LoadedGenerate, staged: Staged, values: Mapping[str, Tensor], sizes: Mapping[str, int]
) -> Tensor:
    leading = _start(part, values, sizes[part.entry.batch])
    cached = [values[name] for name in part.decoder.cached]
    return _reference(staged, part.entry.decode.name, [*leading, *cached])["logits"]


def _start(part: LoadedGenerate, values: Mapping[str, Tensor], rows: int) -> list[Tensor]:
    """The start token of every beam, and each beam as its own parent where there are several."""
    decoder = part.decoder
    device = next(iter(values.values())).device
    ids = torch.full((rows, decoder.beams), part.entry.framing.start, dtype=torch.int64, device=device)
    same = torch.arange(decoder.beams, device=device).expand(rows, -1)
    return [ids, same] if decoder.beams > 1 else [ids]


@torch.inference_mode()
def live_results(
    loaded: LoadedTask, runner: Runner, staged: Staged, raw: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """What the live model gives where `loaded` would: its tensors, generated ids, and logits after the start token."""
    slots, hypotheses = live_values(runner, loaded, raw)
    results = {f"{node}.ids": torch.tensor(found[0][0].ids) for node, found in hypotheses.items()}
    for name, entry in loaded.task.outputs.items():
        value = slots[runner.plan.outputs[name]]
        parts = [value] if isinstance(value, Tensor) else list(value) if isinstance(value, tuple) else []
        for value_name, part in zip(entry.values, parts, strict=False):
            if value_name is not None and isinstance(part, Tensor) and not _generated(value_name, hypotheses):
                results[value_name] = part
    fitted, sizes = loaded.requests.fit(raw)
    values = dict(fitted)
    for stage in loaded.order:
        if isinstance(stage, LoadedStage):
            values.update(_reference(staged, stage.entry.name, [values[name] for name in stage.inputs]))
        elif isinstance(stage, LoadedGenerate):
            results[f"{stage.entry.node}.logits"] = _live_logits(stage, staged, values, sizes)
            values.update(searched(stage.entry.node, runner, slots, loaded.device))
    return results


def grouped(
    loaded: LoadedTask,
    results: Mapping[str, Tensor],
    reference: Mapping[str, Tensor],
    sizes: Mapping[str, int],
) -> list[Difference]:
    """One line per output; the many tensors of a cache are one line, that of the worst."""
    lines: dict[str, Difference] = {}
    caches = {
        name: cache_name(part.entry.node)
        for part in loaded.order
        if isinstance(part, LoadedGenerate)
        for name in part.decoder.cached
    }
    for name, tensor in results.items():
        shown = caches.get(name, name)
        ours, theirs = tensor, reference[name]
        if name in caches:
            ours, theirs = _shown(ours), _shown(theirs)
        found = difference(shown, sizes, ours, theirs)
        if shown not in lines or found.max_rel > lines[shown].max_rel:
            lines[shown] = found
    return list(lines.values())


HIDDEN = -1e4
"""An additive mask hides with a value that is this low or lower; how low depends on the number format."""


def _shown(tensor: Tensor) -> Tensor:
    return tensor.clamp(min=HIDDEN) if tensor.is_floating_point() else tensor


def live_values(
    runner: Runner, loaded: LoadedTask, raw: Mapping[str, Tensor]
) -> tuple[list[Any], dict[str, Any]]:
    """The live model's slots, and every node's hypotheses."""
    slots = runner.program.load_inputs(loaded.requests.records(raw))
    return slots, runner.walk(slots)


def searched(node: str, runner: Runner, slots: Sequence[object], device: torch.device) -> dict[str, Tensor]:
    """What the live search of a `generate` node gave, as far as a program can read it."""
    (step,) = (step for step in runner.plan.steps if step.name == node)
    found = {".".join(runner.plan.slots[slot]): slots[slot] for slot in step.targets.values()}
    return {name: value.to(device) for name, value in found.items() if isinstance(value, Tensor)}


def _results(
    loaded: LoadedTask,
    runner: Runner,
    live: tuple[list[Any], Mapping[str, Any]],
    raw: Mapping[str, Tensor],
    sizes: Mapping[str, int],
) -> list[Difference]:
    """The task from one end to the other: its results, and the ids of what it generates."""
    slots, hypotheses = live
    fitted, fitted_sizes = loaded.requests.fit(raw)
    values: dict[str, Any] = dict(fitted)
    ids: dict[str, Any] = {}
    loaded.walk(values, fitted_sizes, ids)
    found = []
    for node, expected in hypotheses.items():
        ours = [each[0].ids for each in ids[node]]
        agreement = sum(a == b[0].ids for a, b in zip(ours, expected, strict=True)) / len(expected)
        found.append(
            Difference(output=f"{node}.ids", sizes=dict(sizes), max_abs=0.0, max_rel=0.0, ids=agreement)
        )
    for name, entry in loaded.task.outputs.items():
        theirs = slots[runner.plan.outputs[name]]
        parts = [theirs] if isinstance(theirs, Tensor) else list(theirs) if isinstance(theirs, tuple) else []
        for value_name, part in zip(entry.values, parts, strict=False):
            if value_name is not None and isinstance(part, Tensor) and not _generated(value_name, hypotheses):
                found.append(difference(name, sizes, values[value_name], part))
    return found


def _generated(name: str, hypotheses: Mapping[str, Any]) -> bool:
    return name.partition(".")[0] in hypotheses
