"""A training step of video-qa as `composer train --device cuda` makes it: its time, FLOP/s, memory and loss."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

__all__ = ["TITLE", "find", "page"]

TITLE = "A training step"
STEPS = 3
"""Of the optimizer before the loss is told; the timed ones come after."""
PRECISIONS = ("fp32", "bf16")
HEAD = """\
One step is forward, backward, clipping and AdamW, with the weights, their gradients and the optimizer's state in
float32; `bf16` computes the forward pass under autocast. FLOP/s counts three times the forward pass of the objective.
The losses are those of the first steps on one batch: they fall, and those of `bf16` lie within {tolerance:g} of those
of `fp32`.

| precision | batch | step | FLOP/s | peak memory | losses | against fp32 |
|---|---|---|---|---|---|---|
"""
TOLERANCE = 0.05
"""Largest accepted difference of a loss in bfloat16, over that in float32."""


def find(job: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """A row in float32 and one in the precision of the job, on the same weights and the same batch."""
    exact: list[float] = []
    for precision in dict.fromkeys(("fp32", job["precision"])):
        if precision not in PRECISIONS:  # what `composer train` does not offer
            continue
        row = _row(job, precision, job["batches"][0])
        exact = exact or row["losses"]
        worst = max(
            abs(ours - theirs) / abs(theirs) for ours, theirs in zip(row["losses"], exact, strict=True)
        )
        yield {
            **row,
            "loss_max_rel": worst,
            "met": worst <= TOLERANCE and row["losses"][-1] < row["losses"][0],
        }


def _row(job: Mapping[str, Any], precision: str, batch: int) -> dict[str, Any]:
    import torch

    from benchmarks.gpu.clock import median_seconds, peak_bytes, reset_peak
    from benchmarks.gpu.preparing import TASK, request, weights_in
    from composer.execution import Start
    from composer.execution.inputs import host_inputs, to_tensors
    from composer.graph import check
    from composer.plugin import load_registry
    from composer.recipes import Recipe
    from composer.training.learner import Learner, scalar_loss
    from composer.training.numerics import Numerics
    from composer.training.programs import initial_programs

    registry = load_registry()
    report = check(job["document"], registry=registry, settings=job["settings"]).raise_for_errors()
    recipe = Recipe.model_validate(RECIPE)
    numerics = Numerics.of(job["device"], precision)
    start = Start.of(report, registry, weights=weights_in(job))
    programs = initial_programs(report, recipe, start, numerics)
    inputs = host_inputs(programs.plan(TASK), registry.kinds)
    raw = {**request(job["image_size"], batch), "reference": ["two large boxes"] * batch}
    given = {
        name: {port: to_tensors(value) for port, value in inputs.encode(name, raw[name]).items()}
        for name in inputs.processors
    }
    modules = torch.nn.ModuleDict(programs.modules_by_name).eval()  # no dropout: the losses can be compared
    learner = Learner(modules, recipe, numerics)

    def step() -> float:
        loss = scalar_loss(programs.loss(TASK, given), TASK)
        learner.begin()
        learner.add(loss, 1.0, TASK)
        return learner.step(loss.item(), TASK).loss

    reset_peak(numerics.device)
    began = time.perf_counter()
    losses = [step() for _ in range(STEPS)]
    first = (time.perf_counter() - began) / STEPS
    seconds = median_seconds(step, numerics.device, job["rounds"])
    flops = 3 * (job["flops"][str(batch)]["encode"] + _decoder_flops(job, batch))
    return {
        "precision": precision,
        "batch": batch,
        "seconds": seconds,
        "first_s": first,
        "flops_per_s": flops / seconds,
        "peak_bytes": peak_bytes(numerics.device),
        "losses": losses,
    }


def _decoder_flops(job: Mapping[str, Any], batch: int) -> float:
    """The decoder over the few tokens of the reference, beside the encoding next to nothing: a step for each."""
    return 3 * float(job["flops"][str(batch)]["decode step"]) / int(job["settings"]["beams"])


RECIPE = {
    "learning_rate": 1e-5,
    "epochs": 1,
    "tasks": {
        "video-qa": {
            "dataset": "none",
            "batch": 1,
            "output": "answer",
            "reference": "reference",
            "metrics": {},
        }
    },
}


def page(rows: Sequence[Mapping[str, Any]]) -> str:
    """One line per precision."""
    lines = []
    for row in rows:
        memory = "" if row["peak_bytes"] is None else f"{row['peak_bytes'] / 2**30:.3g} GiB"
        losses = " → ".join(f"{loss:.4g}" for loss in row["losses"])
        lines.append(
            f"| {row['precision']} | {row['batch']} | {1000 * row['seconds']:.4g} ms "
            f"| {row['flops_per_s'] / 1e12:.3g} T | {memory} | {losses} "
            f"| {row['loss_max_rel']:.2g} {'met' if row['met'] else 'MISSED'} |"
        )
    return HEAD.format(tolerance=TOLERANCE) + "\n".join(lines) + "\n"
