"""What the training loop needs of a model and of data: nothing of documents, programs or plugins."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from torch import Tensor, nn

__all__ = ["Batch", "Share", "TaskData", "Trainee"]

Batch = Mapping[str, Mapping[str, Any]]
"""Host ports of every input, as tensors: `{"image": {"frames": uint8 [B, 1, H, W, 3]}}`."""


Share = Callable[[Sequence[Any]], tuple[Sequence[Any], bool]]
"""What splits a batch among processes: a part of it, and whether it counts."""


class Trainee(Protocol):
    """Modules by name, and a loss per task."""

    @property
    def modules_by_name(self) -> Mapping[str, nn.Module]: ...

    @property
    def running(self) -> Mapping[str, nn.Module]:
        """What the losses run: it may share the weights of the modules, and hold parts of its own."""

    def train(self) -> None:
        """Put the modules into training mode, but for what is frozen."""

    def eval(self) -> None:
        """Put the modules into the mode of answering."""

    def begin_step(self, task: str) -> None:
        """A step of a task begins: whatever follows the weights slowly moves now."""

    def loss(self, task: str, batch: Batch) -> Tensor:
        """The loss of one batch of a task: a scalar with gradients."""


class TaskData(Protocol):
    """The batches of one task."""

    def batches(self, epoch: int) -> int:
        """How many batches an epoch has: the same number in every epoch."""

    def count(self, epoch: int, index: int) -> int:
        """How many samples a batch has."""

    def part(self, epoch: int, index: int, share: Share) -> tuple[Batch, int]:
        """The part of a batch that a process computes, and how many samples of it count: of one process all, but for
        those that cannot be used and are left out. The same epoch and index always give the same one.
        """

    def samples_of(self, epoch: int, index: int) -> str:
        """What messages call the samples of a batch."""
