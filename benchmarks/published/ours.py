"""Our side: `composer train` over the weights that the other side drew, a step for each line that is read."""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from benchmarks.by_hand import pixels
from benchmarks.training import RECIPE, TASK, OneBatch, batch_of, begun, checked
from composer.execution import Program, build_program
from composer.plan import plan_objective
from composer.recipes import Recipe
from composer.training.loop import TrainingStep, train_epochs
from composer.training.protocol import Batch
from composer.training.run_options import Following

PLAIN = {
    "weight_decay": 0.0,
    "clip": None,
    "optimizer": {"betas": [0.9, 0.999]},
    "schedule": {"shape": "constant"},
}
"""What the other side does, too, so that losses can be compared."""


def main() -> None:
    weights, settings, steps = Path(sys.argv[1]), json.loads(sys.argv[2]), int(sys.argv[3])
    torch.set_num_threads(1)
    recipe = Recipe.model_validate({**RECIPE, **PLAIN})
    report = checked(settings)
    programs = begun(report, recipe, str(weights), "mplug2")
    given = batch_of(programs)
    save_batch(build_program(plan_objective(report.tasks[TASK]), programs.running), given, weights.parent)
    count = sum(p.numel() for m in programs.modules_by_name.values() for p in m.parameters())
    print(json.dumps({"parameters": count}), flush=True)
    sys.stdin.readline()
    last = time.process_time()

    def progress(told: TrainingStep) -> Any:
        nonlocal last
        seconds = time.process_time() - last
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        print(json.dumps({"loss": told.loss, "seconds": seconds, "peak_bytes": peak}), flush=True)
        sys.stdin.readline()
        last = time.process_time()

    train_epochs(programs, {TASK: OneBatch(steps, given)}, recipe, following=Following(progress=progress))


def save_batch(program: Program, given: Batch, folder: Path) -> None:
    """The batch as the other side takes it: pixels[B, 3, T, H, W] that are normalised, ids and masks."""
    (prepare,) = program.prepare
    frames = pixels(prepare(**given["video"]))  # [B, 3, T, H, W]
    texts = {name: given[name]["tokens"] for name in ("question", "reference")}
    save_file(
        {
            "video": frames.contiguous(),
            **{f"{name}.ids": tokens.ids for name, tokens in texts.items()},
            **{f"{name}.mask": tokens.mask for name, tokens in texts.items()},
        },
        folder / "batch.safetensors",
    )


if __name__ == "__main__":
    main()
