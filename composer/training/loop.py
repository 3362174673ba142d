"""The training loop: joint over tasks, seeded, resumable at every epoch."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from composer.plugin.asking import PluginError, fault_of, place_of_fault
from composer.problems import ComposerError
from composer.recipes import Recipe
from composer.training.course import Course
from composer.training.numerics import Numerics
from composer.training.protocol import TaskData, Trainee
from composer.training.schedule import learning_rate
from composer.training.state import RunState, load_state, save_state

__all__ = [
    "EpochResult",
    "Progress",
    "TrainingStep",
    "backward",
    "optimizer_of",
    "scalar_loss",
    "train_epochs",
]

BETAS = (0.9, 0.98)


@dataclass(frozen=True)
class TrainingStep:
    """What the progress display is told after every step. Steps count over the whole run."""

    epoch: int
    epochs: int
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

    def as_dict(self) -> dict[str, object]:
        seconds, cpu = round(self.seconds, 1), round(self.cpu, 1)
        return {"epoch": self.epoch, "losses": self.losses, "seconds": seconds, "cpu": cpu}


Progress = Callable[[TrainingStep], None]


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
    document: str = "",
    numerics: Numerics = Numerics(),  # noqa: B008 (a frozen value)
    left_out: frozenset[str] = frozenset(),
    began_with: str = "",
    progress: Progress = lambda step: None,
    finished: Callable[[EpochResult], None] = lambda result: None,
) -> list[EpochResult]:
    """Train in place; returns one result per epoch, those before a resumption included.

    The batches of an epoch are mixed in an order that the seed and the epoch decide. With `checkpoint`, the whole state
    is written there after every epoch; `resume` goes on from it and ends as a run without a stop would, or extends a
    run to the epochs of the recipe. `document` tells the trained document from others; `numerics` is where the modules
    are and what their losses are computed in. What is `left_out` of the checkpoint is frozen and lies in the
    weights that the run `began_with` (their SHA-256).

    Raises:
        ComposerError: when a loss, a gradient or a weight is not finite (no weight has changed and nothing was written
            since the last epoch), or the checkpoint is missing, damaged or of another run.
    """
    modules = nn.ModuleDict(dict(trainee.modules_by_name))
    optimizer = optimizer_of(modules, recipe)
    batches = {task: item.batches(0) for task, item in data.items()}
    state = RunState(
        Course.of(recipe),
        document,
        batches,
        numerics=numerics,
        left_out=left_out,
        began_with=began_with,
    )
    if resume:
        if checkpoint is None:
            raise ComposerError("there is no checkpoint to resume from: name one")
        state = load_state(checkpoint, modules, optimizer, state)
    else:
        torch.manual_seed(recipe.seed)
    results = [EpochResult(**item) for item in state.results]
    run = _Run(trainee, data, state, modules, optimizer, progress, checkpoint)
    trainee.train()
    for epoch in range(len(results), state.course.epochs):
        result = run.epoch(epoch)
        results.append(result)
        state.results.append(result.as_dict())
        if checkpoint is not None:
            save_state(checkpoint, modules, optimizer, state)
        finished(result)
    return results


class _Run:
    """The steps of one run."""

    def __init__(
        self,
        trainee: Trainee,
        data: Mapping[str, TaskData],
        state: RunState,
        modules: nn.Module,
        optimizer: torch.optim.Optimizer,
        progress: Progress,
        checkpoint: Path | None,
    ) -> None:
        self.trainee = trainee
        self.data = data
        self.course = state.course
        self.recipe = state.course.recipe
        self.batches = state.batches
        self.bounds = self.course.bounds(state.batches)
        self.modules = modules
        self.optimizer = optimizer
        self.progress = progress
        self.checkpoint = checkpoint
        self.parameters = {name: p for name, p in modules.named_parameters() if p.requires_grad}
        self.restarts = [self.bounds[epoch] for epoch in self.course.restarts]

    def epoch(self, epoch: int) -> EpochResult:
        started, started_cpu, means = time.monotonic(), time.process_time(), _Means()
        tasks = self.course.tasks_of(epoch)
        for task in tasks:
            self._hold_to_batches(task, epoch)
        order = [(task, index) for task in tasks for index in range(self.batches[task])]
        np.random.default_rng((self.recipe.seed, epoch)).shuffle(order)
        for done, (task, index) in enumerate(order):
            self._set_rate(self.bounds[epoch] + done)
            loss = self._step(task, epoch, index, f"in epoch {epoch + 1}, step {done + 1}")
            means.add(task, loss)
            step = self.bounds[epoch] + done + 1
            self.progress(TrainingStep(epoch, self.course.epochs, task, loss, step, self.bounds[-1]))
        self._hold_weights_finite(epoch)
        return EpochResult(
            epoch, means.values(), time.monotonic() - started, time.process_time() - started_cpu
        )

    def _step(self, task: str, epoch: int, index: int, when: str) -> float:
        """One step of the optimizer; nothing changes where the loss or the gradient is not finite."""
        data = self.data[task]
        batch = data.batch(epoch, index)
        try:
            loss = scalar_loss(self.trainee.loss(task, batch), task)
            self.optimizer.zero_grad(set_to_none=True)
            backward(loss, task)
        except ComposerError as error:
            raise ComposerError(f"{error} ({when}, with {data.samples_of(epoch, index)})") from error
        gradients = [p.grad for p in self.parameters.values() if p.grad is not None]
        length = nn.utils.get_total_norm(gradients)
        value = loss.item()
        if not (math.isfinite(value) and math.isfinite(length.item())):
            raise self._diverged(task, value, when, data.samples_of(epoch, index))
        nn.utils.clip_grads_with_norm_(self.parameters.values(), self.recipe.clip, length)
        try:
            self.optimizer.step()
        except RuntimeError as error:  # numbers beyond float32, such as those of a learning rate of 1e39
            raise ComposerError(
                f"the step of task `{task}` {when} cannot be made: {error}; lower learning_rate in the recipe; "
                f"{self._kept()}"
            ) from error
        return value

    def _set_rate(self, step: int) -> None:
        rate = learning_rate(
            step,
            steps=self.bounds[-1],
            peak=self.recipe.learning_rate,
            warmup=self.recipe.warmup,
            restarts=self.restarts,
        )
        for group in self.optimizer.param_groups:
            group["lr"] = rate

    def _hold_to_batches(self, task: str, epoch: int) -> None:
        found, planned = self.data[task].batches(epoch), self.batches[task]
        if found != planned:
            raise ComposerError(
                f"the data of task `{task}` has {found} batches in epoch {epoch + 1} and had {planned} in the first: "
                f"a dataset gives equally many samples in every epoch; {self._kept()}"
            )

    def _diverged(self, task: str, loss: float, when: str, samples: str) -> ComposerError:
        if not math.isfinite(loss):
            what = f"the loss of task `{task}` is {loss} {when}"
        else:
            broken = next(
                (name for name, p in self.parameters.items() if p.grad is not None and not _finite(p.grad)),
                "all of them together",
            )
            what = f"the gradient of task `{task}` is not finite {when}, first in `{broken}` (its loss is {loss:.4g})"
        return ComposerError(
            f"{what}: training has diverged and was stopped before a weight changed, with {samples}; lower "
            f"learning_rate in the recipe, or look for numbers in these samples that are not finite; {self._kept()}"
        )

    def _hold_weights_finite(self, epoch: int) -> None:
        broken = next((name for name, p in self.parameters.items() if not _finite(p)), None)
        if broken is not None:
            raise ComposerError(
                f"the weight `{broken}` is not finite after epoch {epoch + 1}: training has diverged; "
                f"lower learning_rate in the recipe; {self._kept()}"
            )

    def _kept(self) -> str:
        """What is left of the run, for the end of a message."""
        if self.checkpoint is None or not self.checkpoint.exists():
            return "nothing was written"
        return f"{self.checkpoint} and what lies beside it are as they were after the last good epoch"


def _finite(tensor: Tensor) -> bool:
    return bool(torch.isfinite(tensor).all())


def scalar_loss(loss: object, task: str) -> Tensor:
    """The loss as one number with a gradient. Raises ComposerError for all else."""
    if not isinstance(loss, Tensor):
        raise ComposerError(
            f"the loss of task `{task}` is {loss!r}, not a tensor: its module type is at fault"
        )
    if loss.numel() != 1:
        raise ComposerError(
            f"the loss of task `{task}` has the shape {list(loss.shape)}: a loss is one number, such as a mean"
        )
    if not loss.requires_grad:
        raise ComposerError(f"the loss of task `{task}` has no gradient: no module with weights leads to it")
    return loss.reshape(()).float()


def backward(loss: Tensor, task: str) -> None:
    """Add the gradients of a loss to those of the weights. Raises PluginError where a module's own gradient fails."""
    try:
        loss.backward()  # type: ignore[no-untyped-call]
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # the backward of a module is foreign code, as its forward is
        fault = fault_of(error)
        raise PluginError(
            f"the gradient of the loss of task `{task}`", fault, place_of_fault(error)
        ) from error


def optimizer_of(modules: nn.Module, recipe: Recipe) -> torch.optim.AdamW:
    """AdamW that decays matrices, and leaves offsets, norms and other vectors alone."""
    parameters = [p for p in modules.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": recipe.weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=recipe.learning_rate, betas=BETAS)
