"""The training loop: joint over tasks, seeded, resumable at every step."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from composer.plugin.standing_in import standing_in
from composer.problems import ComposerError, InputError
from composer.recipes import Every, Recipe
from composer.training.agreeing import hold_agreed, load_agreed
from composer.training.course import Course
from composer.training.learner import DivergedError, Learner, Stepped, scalar_loss
from composer.training.numerics import Numerics
from composer.training.processes import ONE, Processes
from composer.training.protocol import TaskData, Trainee
from composer.training.random_state import kept_random, seed_all
from composer.training.run_options import Following, Stored
from composer.training.schedule import Rates
from composer.training.state import Position, RunState, save_state, state_entries
from composer.training.step_order import Order, PlannedStep
from composer.training.stopping import StopNow, Stopping
from composer.training.validating import Validation

__all__ = ["EpochResult", "TrainingStep", "train_epochs"]


@dataclass(frozen=True)
class TrainingStep:
    """What the progress display and the log are told after every step. Steps count over the whole run."""

    epoch: int
    epochs: int
    task: str
    loss: float
    done: int
    total: int
    rate: float = 0.0
    """Learning rate of the weights that no group names."""
    norm: float = 0.0
    """Length of the gradient."""
    samples: int = 0
    seconds: float = 0.0


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


def train_epochs(
    trainee: Trainee,
    data: Mapping[str, TaskData],
    recipe: Recipe,
    *,
    stored: Stored = Stored(),  # noqa: B008 (a frozen value)
    following: Following = Following(),  # noqa: B008 (a frozen value)
    numerics: Numerics = Numerics(),  # noqa: B008 (a frozen value)
    validation: Validation | None = None,
    processes: Processes = ONE,
) -> list[EpochResult]:
    """Train in place; returns one result per finished epoch, those before a resumption included.

    The batches of an epoch are mixed in an order that the seed and the epoch decide. Where there is a checkpoint
    (`stored`), the whole state is written there after every epoch, as often as the recipe says, and where a signal
    asks the program to end (after the step that is being made). A run that resumes ends as one without a stop would, or
    extends a run to the epochs of the recipe. `numerics` is where the modules are, and the format of their losses.
    `validation` scores on the way, keeps the best weights, and may end the run before its last epoch. Of several
    `processes` each computes its part of every batch and of a validation, and the first one alone writes.

    At the end the modules hold the weights that are to be written: where the recipe asks for it, their running mean.

    Raises:
        ComposerError: when a loss, a gradient or a weight is not finite (no weight has changed and nothing was written
            since the state was last stored), or the checkpoint is missing, damaged or of another run.
    """
    learner = Learner(nn.ModuleDict(dict(trainee.modules_by_name)), recipe, numerics)
    state = RunState(
        Course.of(recipe),
        stored.document,
        {task: item.batches(0) for task, item in data.items()},
        dict(stored.files),
        dict(stored.made_of),
        numerics=numerics,
        left_out=stored.left_out,
        began_with=stored.began_with,
    )
    hold_agreed(state, processes)
    if stored.resume:
        if stored.checkpoint is None:
            raise ComposerError("there is no checkpoint to resume from: name one")
        state = load_agreed(stored.checkpoint, learner, state, processes)
    else:
        seed_all(recipe.seed, "run")
        torch.manual_seed(recipe.seed)
    trainee = processes.losses(trainee, learner)
    run = _Run(trainee, data, state, learner, stored.checkpoint, following, validation, processes)
    if validation is not None:
        validation.entries = state.validations
    following.begun(run.done)
    trainee.train()
    results = run.all()
    if learner.average is not None:
        learner.average.exchange()
    processes.rejoin()
    return results


class _Run:
    """The steps of one run."""

    def __init__(
        self,
        trainee: Trainee,
        data: Mapping[str, TaskData],
        state: RunState,
        learner: Learner,
        checkpoint: Path | None,
        following: Following,
        validation: Validation | None,
        processes: Processes,
    ) -> None:
        self.trainee = trainee
        self.data = data
        self.state = state
        self.learner = learner
        self.following = following
        self.checkpoint = checkpoint
        self.stopping = Stopping(following.stopping)
        self.validation = validation
        self.processes = processes
        self.is_asked = False
        """Whether a signal has asked any of the processes to end."""
        self.is_late = False
        """Whether the first process has not stored a state for as long as the recipe says."""
        self.recipe = state.course.recipe
        self.order = Order(state.course, state.batches)
        self.bounds = self.order.bounds
        self.rates = Rates(self.recipe, self.bounds, [self.bounds[epoch] for epoch in state.course.restarts])
        self.save_every = Every.of(self.recipe.save_every)
        self.saved = time.monotonic()

    @property
    def done(self) -> int:
        """Steps of the run."""
        return self.bounds[len(self.state.results)] + self.state.position.done

    def all(self) -> list[EpochResult]:
        """The epochs that are left; returns the results of all of them."""
        results = [EpochResult(**item) for item in self.state.results]
        with self.stopping.watching():
            self._validate_if_due()
            for epoch in range(len(results), self.state.course.epochs):
                self._steps(epoch)
                if self.is_over:
                    break
                results.append(self._end_of(epoch))
                self.save()
                self.following.finished(results[-1])
                self._validate_if_due()
                self._stop_if_asked()
        return results

    @property
    def is_over(self) -> bool:
        """Whether no validation was better for so long that the run ends before its last epoch."""
        return self.validation is not None and self.validation.is_over

    def _steps(self, epoch: int) -> None:
        position = self.state.position
        steps = self.order.steps(epoch)
        if position.done < len(steps) and not self.order.weighted:
            self._hold_to_batches(self.state.course.tasks_of(epoch), epoch)
        for done in range(position.done, len(steps)):
            if self.is_over:
                break
            with self._timed(position):
                stepped = self._step(steps[done], epoch, done)
                position.add(steps[done].task, stepped.loss)
            self._tell(steps[done], epoch, stepped)
            if done + 1 < len(steps):
                self._save_if_due(epoch)
                self._validate_if_due()
                self._stop_if_asked(f"after epoch {epoch + 1}, step {done + 1}")

    @property
    def _is_validation_due(self) -> bool:
        entries, between = self.state.validations, self.state.position.done == 0
        if self.validation is None or (entries and entries[-1]["step"] == self.done):
            return False
        return self.validation.is_due(self.done, len(self.state.results), between_epochs=between)

    def _validate_if_due(self) -> None:
        """Score where that is due and was not done. The state is stored already, and again with the scores; a signal
        meanwhile ends it at once, and it is done again later.
        """
        if self.validation is None or not self._is_validation_due:
            return
        epoch = len(self.state.results) + (self.state.position.done > 0)
        try:
            with self._able_to_stop(), kept_random(*self.state.numerics.random_devices):
                self.trainee.eval()
                with self.learner.answering(), self.processes.whole():
                    self.validation.run(self.done, epoch, writes=self.processes.is_first)
            self.save()
        except StopNow:
            self.stopping.pass_on()
        finally:
            self.trainee.train()

    def _able_to_stop(self) -> AbstractContextManager[None]:
        """A signal ends at once what changes nothing, unless others wait for it."""
        return self.stopping.at_once() if self.processes.count == 1 else nullcontext()

    def _end_of(self, epoch: int) -> EpochResult:
        position = self.state.position
        result = EpochResult(epoch, position.means(), position.seconds, position.cpu)
        self._hold_weights_finite(f"after epoch {epoch + 1}")
        self.state.results.append(result.as_dict())
        self.state.position = Position()
        return result

    @contextmanager
    def _timed(self, position: Position) -> Iterator[None]:
        self.started, cpu = time.monotonic(), time.process_time()
        yield
        position.seconds += time.monotonic() - self.started
        position.cpu += time.process_time() - cpu

    def _step(self, planned: PlannedStep, epoch: int, done: int) -> Stepped:
        """One step of the optimizer; nothing changes where the loss or the gradient is not finite."""
        data, task = self.data[planned.task], planned.task
        if self.order.weighted and planned.first == 0:
            self._hold_to_batches([task], planned.turn)
        when, batch = f"in epoch {epoch + 1}, step {done + 1}", planned.first
        self.rate = self.rates.set(self.learner.optimizer, self.bounds[epoch] + done)
        total = sum(data.count(planned.turn, index) for index in planned.batches)
        value, counted = 0.0, 0
        self._draw_apart(self.bounds[epoch] + done)
        self.learner.begin()
        self.trainee.begin_step(task)
        try:
            for batch in planned.batches:
                last = batch == planned.batches[-1]
                with nullcontext() if last else self.processes.between(self.trainee):
                    part, count = self._add(planned, batch, total)
                value, counted = value + part, counted + count
                if self.processes.count == 1 and not math.isfinite(value):
                    break  # this batch is at fault
            value, found, asked, late = self.processes.total(
                value, counted, float(self.stopping.asked), float(self._is_overdue)
            )
            self.is_asked, self.is_late = bool(asked), bool(late)
            self.processes.settle(self.learner)
            if found and found != total:  # samples were left out on the way
                value *= total / found
                self.learner.scale(total / found)
            return self.learner.step(value, task)
        except DivergedError as error:
            raise ComposerError(
                f"{error.what} {when}{error.more}: training has diverged and was stopped before a weight changed, with "
                f"{data.samples_of(planned.turn, batch)}; lower learning_rate in the recipe, or look for numbers in "
                f"these samples that are not finite; {self._kept()}"
            ) from error
        except ComposerError as error:
            raise ComposerError(f"{error} ({when}, with {data.samples_of(planned.turn, batch)})") from error

    def _add(self, planned: PlannedStep, batch: int, total: int) -> tuple[float, int]:
        """Add the gradients of a batch, or of this process's part of it; its part of the step's loss, and of how many
        samples.
        """
        data, task, processes = self.data[planned.task], planned.task, self.processes
        given, count = data.part(planned.turn, batch, processes.share)
        with nullcontext() if count else standing_in():
            loss = scalar_loss(self.trainee.loss(task, given), task)
        share = count / total
        self.learner.add(loss, share * processes.count, task)  # the mean over the processes is then the sum
        return (loss.item() * share if share else 0.0), count

    def _draw_apart(self, step: int) -> None:
        """Let processes draw different random numbers, which the step decides, however many processes there are."""
        if self.processes.count > 1:
            seed_all(self.recipe.seed, "step", step, self.processes.rank)
            if torch.cuda.is_available():
                torch.cuda.manual_seed(
                    self.recipe.seed * 1000 + step * self.processes.count + self.processes.rank
                )

    def _tell(self, planned: PlannedStep, epoch: int, stepped: Stepped) -> None:
        data = self.data[planned.task]
        self.following.progress(
            TrainingStep(
                epoch,
                self.state.course.epochs,
                planned.task,
                stepped.loss,
                self.done,
                self.bounds[-1],
                self.rate,
                stepped.norm,
                sum(data.count(planned.turn, index) for index in planned.batches),
                time.monotonic() - self.started,
            )
        )

    def save(self) -> None:
        """Store the state, where that was asked for."""
        if self.checkpoint is not None:
            entries = self.processes.gathered(state_entries(self.learner, self.state))
            try:
                if self.processes.is_first:
                    save_state(self.checkpoint, entries)
            except InputError as error:
                cure = "; make room, and go on with --resume" if self.checkpoint.is_file() else ""
                raise InputError(f"{error}{cure}") from error
        self.saved = time.monotonic()

    @property
    def _is_overdue(self) -> bool:
        """Whether this process says when states are stored, and it is time for the next one."""
        every = self.save_every
        return (
            self.processes.is_first
            and every.unit == "minutes"
            and time.monotonic() - self.saved >= 60 * every.count
        )

    def _save_if_due(self, epoch: int) -> None:
        every = self.save_every
        due = self._is_validation_due or (every.unit == "steps" and self.done % every.count == 0)
        if (due or self.is_late) and self.checkpoint is not None:
            self._hold_weights_finite(f"after epoch {epoch + 1}, step {self.state.position.done}")
            self.save()

    def _stop_if_asked(self, when: str = "") -> None:
        """Store the state of this very step where a signal has asked to end, and let the signal have its way."""
        if self.is_asked or (self.processes.count == 1 and self.stopping.asked):
            if when:
                self._hold_weights_finite(when)
                self.save()
            self.stopping.pass_on()
            if self.processes.count > 1:
                raise StopNow  # another process was asked

    def _hold_to_batches(self, tasks: Iterable[str], turn: int) -> None:
        """Raise ComposerError where the data of a task is of another size than in the first pass over it."""
        for task in tasks:
            found, planned = self.data[task].batches(turn), self.state.batches[task]
            if found != planned:
                raise ComposerError(
                    f"the data of task `{task}` has {found} batches in epoch {turn + 1} and had {planned} in the "
                    f"first: a dataset gives equally many samples in every epoch; {self._kept()}"
                )

    def _hold_weights_finite(self, when: str) -> None:
        try:
            self.learner.hold_weights_finite()
        except DivergedError as error:
            raise ComposerError(
                f"{error} {when}: training has diverged; lower learning_rate in the recipe; {self._kept()}"
            ) from error

    def _kept(self) -> str:
        """What is left of the run, for the end of a message."""
        if self.checkpoint is None or not self.checkpoint.exists():
            return "no state was stored yet"
        return f"{self.checkpoint} and what lies beside it are as they were when the state was last stored"
