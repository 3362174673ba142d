"""The training loop: joint over tasks, seeded, resumable at every epoch."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from composer.problems import ComposerError
from composer.training.protocol import TaskData, Trainee
from composer.training.recipe import Recipe
from composer.training.schedule import learning_rate
from composer.training.state import load_state, save_state

__all__ = ["EpochResult", "Progress", "Step", "train_epochs"]

BETAS = (0.9, 0.98)


@dataclass(frozen=True)
class Step:
    """What the progress display is told after every step."""

    epoch: int
    task: str
    loss: float
    done: int
    total: int


@dataclass
class EpochResult:
    """Mean loss of every task over an epoch, and how long the epoch took: by the clock, and in processor time."""

    epoch: int
    losses: dict[str, float]
    seconds: float
    cpu: float

    def as_dict(self) -> dict[str, Any]:
        seconds, cpu = round(self.seconds, 1), round(self.cpu, 1)
        return {"epoch": self.epoch, "losses": self.losses, "seconds": seconds, "cpu": cpu}


Progress = Callable[[Step], None]


@dataclass
class _Means:
    sums: dict[str, float] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    def add(self, task: str, value: float) -> None:
        self.sums[task] = self.sums.get(task, 0.0) + value
        self.counts[task] = self.counts.get(task, 0) + 1

    def values(self) -> dict[str, float]:
        return {task: round(total / self.counts[task], 6) for task, total in sorted(self.sums.items())}


def train_epochs(
    trainee: Trainee,
    data: Mapping[str, TaskData],
    recipe: Recipe,
    *,
    checkpoint: Path | None = None,
    resume: bool = False,
    progress: Progress = lambda step: None,
    finished: Callable[[EpochResult], None] = lambda result: None,
) -> list[EpochResult]:
    """Train in place; returns one result per epoch, those before a resumption included.

    The batches of an epoch are mixed in an order that the seed and the epoch decide. With `checkpoint`, the whole state
    is written there after every epoch; `resume` goes on from it and ends as a run without a stop would.

    Raises:
        ComposerError: when a loss is not a number, or the checkpoint is missing, damaged or of another run.
    """
    modules = nn.ModuleDict(dict(trainee.modules_by_name))
    optimizer = _optimizer(modules, recipe)
    results: list[EpochResult] = []
    if resume:
        if checkpoint is None:
            raise ComposerError("there is no checkpoint to resume from: name one")
        results = [EpochResult(**item) for item in load_state(checkpoint, modules, optimizer, recipe)]
    else:
        torch.manual_seed(recipe.seed)
    modules.train()
    for epoch in range(len(results), recipe.epochs):
        result = _epoch(trainee, data, recipe, modules, optimizer, epoch, progress)
        results.append(result)
        if checkpoint is not None:
            save_state(checkpoint, modules, optimizer, recipe, [item.as_dict() for item in results])
        finished(result)
    return results


def _epoch(
    trainee: Trainee,
    data: Mapping[str, TaskData],
    recipe: Recipe,
    modules: nn.Module,
    optimizer: torch.optim.Optimizer,
    epoch: int,
    progress: Progress,
) -> EpochResult:
    started, started_cpu, means = time.monotonic(), time.process_time(), _Means()
    batches = {task: data[task].batches(epoch) for task in data}  # as many in every epoch
    order = [(task, index) for task in recipe.tasks_of(epoch) for index in range(batches[task])]
    np.random.default_rng((recipe.seed, epoch)).shuffle(order)
    bounds = [0]  # the step at which each epoch begins
    for other in range(recipe.epochs):
        bounds.append(bounds[-1] + sum(batches[task] for task in recipe.tasks_of(other)))
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    for done, (task, index) in enumerate(order):
        rate = learning_rate(
            bounds[epoch] + done,
            steps=bounds[-1],
            peak=recipe.learning_rate,
            warmup=recipe.warmup,
            restarts=[bounds[start] for start in recipe.restarts if start < recipe.epochs],
        )
        for group in optimizer.param_groups:
            group["lr"] = rate
        loss = trainee.loss(task, data[task].batch(epoch, index))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(parameters, recipe.clip)
        value = loss.item()
        if not np.isfinite(value):
            raise ComposerError(
                f"the loss of task `{task}` is {value} in epoch {epoch + 1}, step {done + 1}: training has diverged; "
                "lower learning_rate in the recipe, or resume from the last checkpoint with another seed"
            )
        optimizer.step()
        means.add(task, value)
        progress(Step(epoch, task, value, done + 1, len(order)))
    return EpochResult(epoch, means.values(), time.monotonic() - started, time.process_time() - started_cpu)


def _optimizer(modules: nn.Module, recipe: Recipe) -> torch.optim.AdamW:
    """AdamW that decays matrices, and leaves offsets, norms and other vectors alone."""
    parameters = [p for p in modules.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": recipe.weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=recipe.learning_rate, betas=BETAS)
