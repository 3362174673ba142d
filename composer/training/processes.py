"""One process, or several that share every batch: what each computes of it, and what they agree on."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor, nn

from composer.problems import ComposerError, InputError
from composer.training.protocol import Batch, Trainee

if TYPE_CHECKING:
    from composer.training.learner import Learner

__all__ = ["ONE", "Losses", "ManyProcesses", "Processes", "SharedLosses", "processes_of"]

Entries = TypeVar("Entries")
Made = TypeVar("Made")
PATIENCE = timedelta(days=7)
"""How long a process waits for the others: one may have far longer samples to answer."""


class Processes:
    """A process of its own. `ManyProcesses` is one of many, launched by `composer train --processes`, `accelerate
    launch` or torch's own launcher.
    """

    rank = 0
    count = 1

    @property
    def is_first(self) -> bool:
        """Whether this is the process that writes and prints."""
        return self.rank == 0

    def device(self, device: str | torch.device) -> str | torch.device:
        """The device of this process."""
        return device

    def losses(self, trainee: Trainee, learner: Learner) -> Trainee:
        """What gives losses whose gradients are those of all processes."""
        return trainee

    def settle(self, learner: Learner) -> None:
        """Before a step: gradients that are still those of this process become those of all."""

    def whole(self) -> AbstractContextManager[Any]:
        """Inside, the modules of every process hold all weights, to be answered with and written; all enter it."""
        return nullcontext()

    def rejoin(self) -> None:
        """From now on the modules hold all weights: there are no more steps."""

    def gathered(self, entries: Entries) -> Entries:
        """The same entries of a state with whole tensors in them, on the first process; all ask for it."""
        return entries

    def between(self, trainee: Trainee) -> AbstractContextManager[Any]:
        """Around a backward pass whose gradients are not yet those of the step."""
        return nullcontext()

    def share(self, batch: Sequence[Any]) -> tuple[Sequence[Any], bool]:
        """The part of a batch that is this process's, and whether it counts: no part is empty."""
        return batch, True

    def total(self, *values: float) -> list[float]:
        """Sums over the processes."""
        return list(values)

    def told(self, value: Any) -> Any:
        """The value of the first process."""
        return value

    def same(self, value: str) -> bool:
        """Whether all processes ask with the same value."""
        return True

    def each(self, make: Callable[[], Made]) -> Made:
        """What each process makes for itself; an error of one of them is raised by all."""
        return make()

    def collected(self, make: Callable[[], list[Made]]) -> list[Made]:
        """What each process makes, one after the other; an error of one of them is raised by all."""
        return make()

    def of_first(self, make: Callable[[], Made]) -> Made:
        """What the first process makes; its error is raised by all."""
        return make()

    def meeting(self) -> AbstractContextManager[Any]:
        """Around all that processes do together. Raises ComposerError where another one has ended without a word."""
        return nullcontext()

    def close(self) -> None:
        """No more is shared."""


ONE = Processes()
FSDP = "ACCELERATE_USE_FSDP"
"""The variable by which `accelerate launch --use_fsdp` asks for weights that are split."""
NOT_THERE = {
    "DeepSpeed": "ACCELERATE_USE_DEEPSPEED",
    "Megatron-LM": "ACCELERATE_USE_MEGATRON_LM",
    "parallelism by a device mesh": "ACCELERATE_USE_PARALLELISM_CONFIG",
}
"""What `accelerate launch` can be asked for and is not there, with the variable by which it says so."""


class ManyProcesses(Processes):
    """One process of several, each with a copy of the weights: DistributedDataParallel, set up by accelerate."""

    def __init__(self, device: str | torch.device) -> None:
        try:
            from accelerate import Accelerator, DistributedDataParallelKwargs, InitProcessGroupKwargs
        except ImportError:
            raise InputError(
                "training in several processes needs a package: pip install 'multimodal-composer[distributed]'"
            ) from None
        unused = DistributedDataParallelKwargs(find_unused_parameters=True)  # no task reaches all weights
        waiting = InitProcessGroupKwargs(timeout=PATIENCE)
        self._accelerator = Accelerator(
            cpu=torch.device(device).type == "cpu", kwargs_handlers=[unused, waiting]
        )
        self.rank = int(self._accelerator.process_index)
        self.count = int(self._accelerator.num_processes)

    def device(self, device: str | torch.device) -> str | torch.device:
        return device if torch.device(device).type == "cpu" else torch.device(self._accelerator.device)

    def losses(self, trainee: Trainee, learner: Learner) -> Trainee:
        return SharedLosses(trainee, self._accelerator.prepare_model(Losses(trainee, learner.modules)))

    def between(self, trainee: Trainee) -> AbstractContextManager[Any]:
        assert isinstance(trainee, SharedLosses)
        found: AbstractContextManager[Any] = self._accelerator.no_sync(trainee.model)
        return found

    def share(self, batch: Sequence[Any]) -> tuple[Sequence[Any], bool]:
        bounds = [len(batch) * rank // self.count for rank in (self.rank, self.rank + 1)]
        own = batch[slice(*bounds)]
        return (own, True) if own else (batch[:1], False)

    def total(self, *values: float) -> list[float]:
        numbers = torch.tensor(values, dtype=torch.float64, device=self._accelerator.device)
        found: list[float] = self._accelerator.reduce(numbers, "sum").tolist()
        return found

    def told(self, value: Any) -> Any:
        from accelerate.utils import broadcast_object_list

        return broadcast_object_list([value])[0]

    def same(self, value: str) -> bool:
        first = self.told(value)
        return self.total(float(value == first)) == [self.count]

    def each(self, make: Callable[[], Made]) -> Made:
        from accelerate.utils import gather_object

        found, error = _tried(make)
        errors: list[str] = gather_object([str(error or "")])
        _hold_good(error, next((self._from(rank, told) for rank, told in enumerate(errors) if told), ""))
        made: Made = found  # type: ignore[assignment]  # there was no error
        return made

    def collected(self, make: Callable[[], list[Made]]) -> list[Made]:
        from accelerate.utils import gather_object

        found: list[Made] = gather_object(self.each(make))
        return found

    def _from(self, rank: int, told: str) -> str:
        """An error of another process, which may be on a machine that has other files."""
        return f"process {rank + 1} of {self.count}: {told}"

    def of_first(self, make: Callable[[], Made]) -> Made:
        found, error = _tried(make) if self.is_first else (None, None)
        made, told = self.told((found, str(error or "")))
        _hold_good(error, told and self._from(0, told))
        answer: Made = made
        return answer

    @contextmanager
    def meeting(self) -> Iterator[None]:
        try:
            yield
        except RuntimeError as error:
            if not isinstance(error, torch.distributed.DistError) and "/gloo/" not in str(error):
                raise
            raise ComposerError(
                "another process of this run has ended, or cannot be reached any more: look at what it says on its "
                "machine; what was stored last is kept, and the run goes on from there with --resume"
            ) from error

    def close(self) -> None:
        """What is shared is let go of before the groups that it is shared by, and by all at one time: threads of these
        that still hold tensors when the program ends bring it down.
        """
        if torch.distributed.is_initialized():
            torch.distributed.barrier()
        self._accelerator.free_memory()
        gc.collect()
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()


def _tried(make: Callable[[], Made]) -> tuple[Made | None, ComposerError | None]:
    """What is made, or the error: the other processes wait for either."""
    try:
        return make(), None
    except ComposerError as error:
        return None, error


def _hold_good(own: ComposerError | None, told: str) -> None:
    """Raise the error of this process, or else what another one told of its own."""
    if own is not None:
        raise own
    if told:
        raise ComposerError(told)


class Losses(nn.Module):
    """The loss as the forward pass of a module that holds all weights, as torch's wrappers want it."""

    def __init__(self, trainee: Trainee, modules: nn.Module) -> None:
        super().__init__()
        self.held = modules
        self._trainee = trainee

    def forward(self, task: str, batch: Batch) -> Tensor:
        return self._trainee.loss(task, batch)


class SharedLosses:
    """A trainee whose gradients are averaged over the processes as they come."""

    def __init__(self, trainee: Trainee, model: nn.Module) -> None:
        self._trainee = trainee
        self.model = model
        self.modules_by_name, self.running = trainee.modules_by_name, trainee.running
        self.train, self.eval, self.begin_step = trainee.train, trainee.eval, trainee.begin_step

    def loss(self, task: str, batch: Batch) -> Tensor:
        found: Tensor = self.model(task, batch)
        return found


def processes_of(device: str | torch.device, *, shard: bool = False) -> Processes:
    """Those that this one was launched with. With `shard`, or where the launcher asks for FSDP, weights are split over
    them.

    Raises InputError where that cannot be, or something is asked for that is not there, and ComposerError where the
    processes cannot meet.
    """
    if int(os.environ.get("WORLD_SIZE", "1") or 1) <= 1:
        if shard:
            raise InputError(
                "to shard is to split weights over processes, and this is one: say how many (--processes N), or start "
                "it by a launcher"
            )
        return ONE
    wrong = [name for name, words in NOT_THERE.items() if _is_set(words)]
    if wrong:
        raise InputError(
            f"{wrong[0]} is not there: launch it without (DistributedDataParallel), or shard (FSDP2)"
        )
    try:
        if shard or _is_set(FSDP):
            from composer.training.sharded_processes import ShardedProcesses

            return ShardedProcesses(device)
        return ManyProcesses(device)
    except (RuntimeError, ValueError) as error:
        raise ComposerError(f"the processes of this run cannot meet: {error}") from error


def _is_set(words: str) -> bool:
    return os.environ.get(words, "").lower() in ("true", "1", "yes")
