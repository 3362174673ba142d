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
from composer_compile.parity.corner_samples import corner_sizes, sample
from composer_compile.parity.live import first_logits, live_logits, live_outputs, live_values, walk_beside
from composer_compile.runtime.loaded_parts import LoadedGenerate, LoadedStage, ids_name, logits_name
from composer_compile.runtime.loaded_task import LoadedTask
from composer_compile.stages.modules import cache_name
from composer_compile.stages.stager import StagedTask
from composer_compile.tensors.differences import difference, within

__all__ = ["compare_task", "grouped"]


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
    staged: StagedTask,
    tolerance: float,
    progress: Callable[[str], None] = lambda line: None,
) -> TaskComparison:
    """Run every sample through the loaded artifact and the live model; `progress` hears of each: large ones take long.

    `staged` holds the live stages in full precision: every output of every program is compared on the live inputs (for
    what comes after a search, on what the live search gave), and the task's own results from one end to the other.
    """
    found: list[Difference] = []
    corners = corner_sizes(loaded.task.ranges)
    for number, sizes in enumerate(corners, 1):
        at = ", ".join(f"{name}={size}" for name, size in sizes.items()) or "its only sizes"
        progress(f"comparing with the live model, {number} of {len(corners)}: {at}")
        raw = sample(loaded, sizes)
        live = live_values(runner, loaded, raw)
        found += _stages(loaded, staged, runner, live[0], raw, sizes)
        found += _results(loaded, runner, live, raw, sizes)
    missed = next((each for each in found if not within(each, tolerance)), None)
    parity = Parity(tolerance=tolerance, passed=missed is None, differences=found)
    return TaskComparison(parity, missed.output if missed else None)


def _stages(
    loaded: LoadedTask,
    staged: StagedTask,
    runner: Runner,
    slots: Sequence[object],
    raw: Mapping[str, Tensor],
    shown: Mapping[str, int],
) -> list[Difference]:
    """The programs one by one, each on what the live stages before it gave."""
    found: list[Difference] = []

    def program(
        part: LoadedStage,
        given: Mapping[str, Tensor],
        expected: Mapping[str, Tensor],
        sizes: Mapping[str, int],
    ) -> None:
        cast = [given[each.name].to(DTYPES[each.dtype]) for each in part.entry.inputs]
        results = dict(zip(part.outputs, part.run(cast, sizes), strict=True))
        found.extend(grouped(loaded, results, expected, shown))

    def search(part: LoadedGenerate, given: Mapping[str, Tensor], sizes: Mapping[str, int]) -> None:
        dtypes = {each.name: DTYPES[each.dtype] for each in part.entry.decode.inputs}
        cast = {name: given[name].to(dtypes[name]) for name in part.decoder.cached}
        name = logits_name(part.name)
        ours, theirs = first_logits(part, cast, sizes), live_logits(part, staged, given, sizes)
        found.extend(grouped(loaded, {name: ours}, {name: theirs}, shown))

    walk_beside(loaded, staged, runner, slots, raw, at_program=program, at_search=search)
    return found


def grouped(
    loaded: LoadedTask,
    results: Mapping[str, Tensor],
    reference: Mapping[str, Tensor],
    sizes: Mapping[str, int],
) -> list[Difference]:
    """One line per output; the many tensors of a cache are one line, that of the worst."""
    lines: dict[str, Difference] = {}
    ranked = loaded.ranked
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
        found = difference(shown, sizes, ours, theirs, ranked=name in ranked)
        if shown not in lines or found.max_rel > lines[shown].max_rel:
            lines[shown] = found
    return list(lines.values())


HIDDEN = -1e4
"""An additive mask hides with a value that is this low or lower; how low depends on the number format."""


def _shown(tensor: Tensor) -> Tensor:
    return tensor.clamp(min=HIDDEN) if tensor.is_floating_point() else tensor


def _results(
    loaded: LoadedTask,
    runner: Runner,
    live: tuple[list[Any], Mapping[str, Any]],
    raw: Mapping[str, Tensor],
    sizes: Mapping[str, int],
) -> list[Difference]:
    """The task from one end to the other: its results, and the ids of what it generates."""
    slots, hypotheses = live
    fitted, known = loaded.requests.fit(raw)
    values: dict[str, Any] = dict(fitted)
    ids: dict[str, Any] = {}
    loaded.walk(values, dict(known), ids)
    found = []
    for node, expected in hypotheses.items():
        ours = [each[0].ids for each in ids[node]]
        agreement = sum(a == b[0].ids for a, b in zip(ours, expected, strict=True)) / len(expected)
        found.append(
            Difference(output=ids_name(node), sizes=dict(sizes), max_abs=0.0, max_rel=0.0, ids=agreement)
        )
    for name, value_name, part in live_outputs(loaded, runner, slots, hypotheses):
        ranked = loaded.registry.kinds[loaded.task.outputs[name].kind].ranked
        found.append(difference(name, sizes, values[value_name], part, ranked=ranked))
    return found
