"""What answers tasks, whatever it is: a live model, a compiled artifact, and what else may come."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from typing_extensions import Self

from composer.problems import InputError

__all__ = ["Answering", "Asking", "TaskPorts", "only_one"]


@dataclass(frozen=True)
class TaskPorts:
    """What a task takes and gives, by the names of the document."""

    inputs: Mapping[str, str]
    """Raw input to the id of the modality that reads it."""
    outputs: Mapping[str, str]
    """Output to the kind of its value."""


@runtime_checkable
class Asking(Protocol):
    """A session: some inputs of a task were taken, the others are asked."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """The inputs that `ask` takes."""

    def ask(self, *, seed: object = None, **asked: object) -> dict[str, Any]:
        """One value per output, as `run` gives them with all inputs together."""


@runtime_checkable
class Answering(Protocol):
    """Tasks that can be run. Thread-safe; `with` closes it at the end."""

    @property
    def device(self) -> torch.device:
        """Where it runs."""

    @property
    def tasks(self) -> tuple[str, ...]:
        """The names of its tasks."""

    def only_task(self) -> str:
        """The task, where there is only one; raises InputError listing them otherwise."""

    def ports(self, task: str | None = None, /) -> TaskPorts:
        """What a task takes and gives. Raises InputError where there is no such task."""

    def run(self, task: str | None = None, /, *, seed: object = None, **raw: object) -> dict[str, Any]:
        """One value per output; lists of values are a batch. Raises InputError for inputs that do not fit."""

    def stream(self, task: str | None = None, /, *, seed: object = None, **raw: object) -> Iterator[str]:
        """The text of one sample as it is generated. Raises InputError where no single search can stream."""

    def session(self, task: str | None = None, /, *, seed: object = None, **kept: object) -> Asking:
        """Take some inputs once, to ask for answers with the others."""

    def close(self) -> None:
        """Give back files and memory; it cannot be used afterwards. Closing twice is fine."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


def only_one(tasks: Sequence[str], what: str) -> str:
    """The task, where there is only one; raises InputError listing them otherwise. `what` has them: `this model`."""
    if len(tasks) != 1:
        raise InputError(f"{what} has several tasks, so name one: {', '.join(tasks)}")
    return tasks[0]
