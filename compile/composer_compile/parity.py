"""The gate: compiled and live programs on the same samples, and where they part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from composer.runtime import Runner
from composer_compile.manifest import Difference, Parity
from composer_compile.samples import corner_sizes, sample, vocabulary_sizes
from composer_compile.specs import DTYPES
from composer_compile.staging import Staged
from composer_compile.tasks import LoadedGenerate, LoadedHostCall, LoadedStage, LoadedTask

__all__ = ["TOLERANCES", "compare_task", "difference", "live_values"]

TOLERANCES = {"fp32": 1e-4, "fp16": 2e-2, "bf16": 1e-1}
"""Largest accepted difference over the largest value of an output, unless the document says another."""


@dataclass
class Comparison:
    """What comparing a task gave, and the samples for `composer verify`."""

    parity: Parity
    missed: str | None
    """The first output beyond the tolerance."""


@torch.inference_mode()
def compare_task(loaded: LoadedTask, runner: Runner, staged: Staged, tolerance: float) -> Comparison:
    """Run every sample through the loaded artifact and the live model.

    `staged` holds the live stages in full precision: every output of every program is compared on the live inputs, and
    the task's own results from one end to the other.
    """
    found: list[Difference] = []
    vocabulary = vocabulary_sizes(loaded.requests.processors)
    for sizes in corner_sizes(loaded.task.ranges):
        raw = sample(loaded.task, loaded.requests.first, sizes, vocabulary)
        fitted, fitted_sizes = loaded.requests.fit(raw)
        found += _stages(loaded, staged, fitted, fitted_sizes, sizes)
        found += _results(loaded, runner, raw, sizes)
    missed = next((each for each in found if not _within(each, tolerance)), None)
    parity = Parity(tolerance=tolerance, passed=missed is None, differences=found)
    return Comparison(parity, missed.output if missed else None)


def _within(each: Difference, tolerance: float) -> bool:
    # Not `<=` alone: NaN compares false.
    return each.max_rel <= tolerance and not (
        each.ids is not None and tolerance <= TOLERANCES["fp32"] and each.ids < 1
    )


def difference(name: str, sizes: Mapping[str, int], ours: Tensor, theirs: Tensor) -> Difference:
    """How far `ours` lies from `theirs`; infinite where the shapes differ or one is not a number."""
    if ours.shape != theirs.shape:
        return Difference(output=name, sizes=dict(sizes), max_abs=1e30, max_rel=1e30)
    left, right = ours.detach().double().cpu(), theirs.detach().double().cpu()
    same = (left == right) | (left.isnan() & right.isnan())
    gaps = torch.where(same, 0.0, (left - right).abs()).nan_to_num(nan=1e30, posinf=1e30)
    largest = float(gaps.max()) if gaps.numel() else 0.0
    finite = right[right.isfinite()]
    scale = max(1.0, float(finite.abs().max())) if finite.numel() else 1.0
    rows = right.ndim > 1 and right.shape[-1] > 1 and right.numel() > 0 and name.rpartition(".")[2] in RANKED
    agreement = float((left.argmax(-1) == right.argmax(-1)).double().mean()) if rows else None
    return Difference(
        output=name, sizes=dict(sizes), max_abs=largest, max_rel=largest / scale, argmax=agreement
    )


RANKED = frozenset({"logits", "scores"})
"""Outputs whose largest value is a choice."""


def _stages(
    loaded: LoadedTask,
    staged: Staged,
    tensors: Mapping[str, Tensor],
    sizes: Mapping[str, int],
    shown: Mapping[str, int],
) -> list[Difference]:
    """The programs one by one, each on what the live stages before it gave."""
    values: dict[str, Tensor] = {name: tensor.to(loaded.device) for name, tensor in tensors.items()}
    found: list[Difference] = []
    for part in loaded.order:
        if isinstance(part, LoadedHostCall):
            continue
        if isinstance(part, LoadedStage):
            if part.entry.name not in staged.specs or not set(part.inputs) <= set(values):
                continue  # a stage after a search is compared from one end to the other
            reference = _reference(staged, part.entry.name, [values[name] for name in part.inputs])
            inputs = _cast(part, values)
            results = dict(zip(part.outputs, part.run(inputs, sizes), strict=True))
        else:
            reference, results = _first_steps(part, staged, values, sizes)
        found += _grouped(part, results, reference, shown)
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
    decoder = part.decoder
    rows = sizes[part.entry.batch]
    device = next(iter(values.values())).device
    ids = torch.full((rows, decoder.beams), part.entry.tokens["start"], dtype=torch.int64, device=device)
    same = torch.arange(decoder.beams, device=device).expand(rows, -1)
    leading = [ids, same] if decoder.beams > 1 else [ids]
    spec = staged.specs[part.entry.decode.name]
    cached = [values[name] for name in decoder.cached]
    reference = _reference(staged, spec.name, [*leading, *cached])
    dtypes = {entry.name: DTYPES[entry.dtype] for entry in part.entry.decode.inputs}
    given = {name: values[name].to(dtypes[name]) for name in decoder.cached}
    logits, _ = decoder.step(ids, decoder.start(given, rows))
    name = f"{part.entry.node}.logits"
    return {name: reference["logits"]}, {name: logits}


def _grouped(
    part: LoadedStage | LoadedGenerate,
    results: Mapping[str, Tensor],
    reference: Mapping[str, Tensor],
    sizes: Mapping[str, int],
) -> list[Difference]:
    """One line per output; the many tensors of a cache are one line, that of the worst."""
    lines: dict[str, Difference] = {}
    for name, tensor in results.items():
        head, cache, _ = name.partition(".cache.")
        shown = f"{head}.cache" if cache else name
        found = difference(shown, sizes, tensor, reference[name])
        if shown not in lines or found.max_rel > lines[shown].max_rel:
            lines[shown] = found
    return list(lines.values())


def live_values(
    runner: Runner, loaded: LoadedTask, raw: Mapping[str, Tensor]
) -> tuple[list[Any], dict[str, Any]]:
    """The live model's slots, and every node's hypotheses."""
    nested: dict[str, dict[str, Any]] = {}
    for (name, port), kind in loaded.requests.records.items():
        if kind.record is None:
            nested.setdefault(name, {})[port] = raw[f"{name}.{port}"]
        else:
            fields = [raw[f"{name}.{port}.{field}"] for field in kind.fields]
            nested.setdefault(name, {})[port] = kind.record(*fields)
    slots = runner.program(nested)
    hypotheses = {}
    for stage in runner.plan.stages:
        if stage.name == "decode":
            node = stage.steps[0].name
            hypotheses[node] = runner.generators[node].run(slots)
        elif stage.name == "finish":
            runner.program.run_stage("finish", slots)
    return slots, hypotheses


def _results(
    loaded: LoadedTask, runner: Runner, raw: Mapping[str, Tensor], sizes: Mapping[str, int]
) -> list[Difference]:
    """The task from one end to the other: its results, and the ids of what it generates."""
    slots, hypotheses = live_values(runner, loaded, raw)
    fitted, fitted_sizes = loaded.requests.fit(raw)
    values: dict[str, Any] = {}
    ids: dict[str, Any] = {}
    values.update({name: tensor.to(loaded.device) for name, tensor in fitted.items()})
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
