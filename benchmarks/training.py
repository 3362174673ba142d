"""A training step of video-qa: the trainer beside a loop that a person would write over the same modules.

The two take turns, step by step, on the same batch of one clip with a question and an answer, with weights of their own
that begin alike.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import torch
from torch import nn

from benchmarks.by_hand import BASE, QUESTION, TINY, video_qa
from benchmarks.measuring import Row, on_threads
from benchmarks.subjects import CLIP
from composer.execution import Program, Start, build_program
from composer.execution.inputs import host_inputs, to_tensors
from composer.graph import Checked, check
from composer.plan import plan_objective
from composer.plugin import load_registry
from composer.recipes import Recipe
from composer.training.loop import TrainingStep, train_epochs
from composer.training.numerics import Numerics
from composer.training.programs import Programs, initial_programs
from composer.training.protocol import Batch
from composer.training.run_options import Following

__all__ = ["RECIPE", "TASK", "OneBatch", "batch_of", "begun", "checked", "measure"]

TASK = "video-qa"
WARM = 2
"""Steps before those that count: memory is laid out, kernels are chosen."""
OFF = {"dropout": 0.0, "attention_dropout": 0.0}


def measure(*, quick: bool) -> list[Row]:
    """Ratios are medians over the turns, in time on the processor with one thread."""
    steps = 3 if quick else 12
    with on_threads(1):
        ours, theirs, apart = _times(TINY if quick else BASE, WARM + steps)
    pairs = list(zip(ours[WARM:], theirs[WARM:], strict=True))
    row = Row(
        f"a training step of {TASK}, mPLUG-2 {'tiny' if quick else 'base, 8 frames'}, batch 1",
        statistics.median(a for a, _ in pairs),
        "s",
        "a loop by hand over the same modules",
        statistics.median(b for _, b in pairs),
        statistics.median(a / b for a, b in pairs),
        "<= 1.03",
    )
    return [row, Row("the losses of the two at the first step, difference", apart, "")]


class OneBatch:
    """The same batch at every step."""

    def __init__(self, steps: int, given: Batch) -> None:
        self._steps, self._given = steps, given

    def batches(self, epoch: int) -> int:
        return self._steps

    def count(self, epoch: int, index: int) -> int:
        return 1

    def batch(self, epoch: int, index: int) -> Batch:
        return self._given

    def part(self, epoch: int, index: int, share: Any) -> tuple[Batch, int]:
        return self._given, 1

    def samples_of(self, epoch: int, index: int) -> str:
        return "the batch"


def _times(settings: Mapping[str, Any], steps: int) -> tuple[list[float], list[float], float]:
    report, recipe = checked(settings), Recipe.model_validate(RECIPE)
    trained, written = begun(report, recipe), begun(report, recipe)
    given = batch_of(trained)
    step = _by_hand(written, _program(report, written), given, recipe)
    ours, theirs, differences = list[float](), list[float](), list[float]()
    last = time.process_time()

    def progress(told: TrainingStep) -> None:
        nonlocal last
        ours.append(time.process_time() - last)
        begin = time.process_time()
        loss = step(told.rate)
        theirs.append(time.process_time() - begin)
        differences.append(abs(loss - told.loss))
        last = time.process_time()

    train_epochs(trained, {TASK: OneBatch(steps, given)}, recipe, following=Following(progress=progress))
    return ours, theirs, differences[0]


def checked(settings: Mapping[str, Any]) -> Checked:
    """The document without dropout, which nothing could be compared under."""
    return check("mplug2-base", settings={**settings, **OFF}).raise_for_errors()


def begun(report: Checked, recipe: Recipe, weights: str = "initial", layout: str | None = None) -> Programs:
    """The modules to train, with these weights."""
    start = Start.of(report, report.registry, weights=weights, layout=layout)
    return initial_programs(report, recipe, start, Numerics())


def batch_of(programs: Programs) -> Batch:
    """One clip with a question and an answer."""
    inputs = host_inputs(programs.plan(TASK), load_registry().kinds)
    raw: dict[str, Any] = {"video": CLIP, "question": QUESTION, "reference": "moving two large boxes"}
    return {
        name: {port: to_tensors(value) for port, value in inputs.encode(name, [raw[name]]).items()}
        for name in inputs.processors
    }


def _program(report: Checked, programs: Programs) -> Program:
    return build_program(plan_objective(report.tasks[TASK]), programs.running)


def _by_hand(programs: Programs, program: Program, given: Batch, recipe: Recipe) -> Callable[[float], float]:
    """A step as one would write it: encode, decode, cross entropy, backward, clip, AdamW."""
    programs.train()
    encode = video_qa(SimpleNamespace(program=program), given)
    decoder = program.modules_by_name["decoder"]
    weights = [p for m in programs.modules_by_name.values() for p in m.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(
        [
            {"params": [p for p in weights if p.ndim >= 2], "weight_decay": recipe.weight_decay},
            {"params": [p for p in weights if p.ndim < 2], "weight_decay": 0.0},
        ],
        lr=recipe.learning_rate,
        betas=(0.9, 0.98),
    )
    answers = given["reference"]["tokens"]

    def step(rate: float) -> float:
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.zero_grad(set_to_none=True)
        logits = decoder(memory=encode(), tokens=answers)
        targets = answers.ids[:, 1:].masked_fill(answers.mask[:, 1:] == 0, -100)
        loss = nn.functional.cross_entropy(logits[:, :-1].transpose(1, 2), targets, reduction="sum")
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        return loss.item()

    return step


RECIPE = {
    "learning_rate": 1e-5,
    "epochs": 1,
    "tasks": {TASK: {"dataset": "none", "batch": 1, "metrics": {}}},
}
