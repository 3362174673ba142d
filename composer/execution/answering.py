"""What answers tasks, whatever it is: a live model, a compiled artifact, and what else may come."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import torch
from typing_extensions import Self

from composer.execution.task_reader import InputFacts
from composer.problems import InputError
from composer.types import PortType

__all__ = ["Answering", "Asking", "ReadValues", "Reader", "TaskPorts", "only_one"]


@dataclass(frozen=True)
class TaskPorts:
    """What a task takes and gives, by the names of the document."""

    inputs: Mapping[str, str]
    """Raw input to the id of the modality that reads it."""
    outputs: Mapping[str, str]
    """Output to the kind of its value."""
    types: Mapping[str, PortType] = field(default_factory=dict)
    """Output to its whole type, where its sizes are known: older artifacts say the kinds alone."""


@runtime_checkable
class Asking(Protocol):
    """A session: some inputs of a task were taken, the others are asked."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """The inputs that `ask` takes."""

    def ask(self, *, seed: object = None, **asked: object) -> dict[str, Any]:
        """One value per output, as `run` gives them with all inputs together."""


class ReadValues(Protocol):
    """A batch whose values were read."""

    def answers(self, seed: object = None, /) -> list[dict[str, Any]]:
        """The outputs of every sample, each as `run` gives them for that sample alone.

        Raises UndividedError where an output of several samples has no part for each.
        """


class Reader(Protocol):
    """Reads the values of one task, apart from answering them. Thread-safe."""

    @property
    def inputs(self) -> Mapping[str, InputFacts]:
        """Every input of the task."""

    @property
    def sizes(self) -> tuple[int, int | None]:
        """The fewest and the most samples of one batch; None where there is no limit."""

    @property
    def undivided(self) -> str | None:
        """An output of which a sample cannot be told from what fills it up to the longest one of its batch."""

    @property
    def draws_apart(self) -> bool:
        """Whether, with a seed, each sample of a batch draws as it would alone."""

    def check_seed(self, seed: object, /) -> None:
        """Raises InputError for what is not a seed, and where the task takes none."""

    def read(self, raw: Mapping[str, object], /) -> ReadValues:
        """Read a batch. Raises InputError for inputs that are missing, unexpected, unusable or do not go together."""


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
        """The last text of one sample as it is generated. Raises InputError where no single search can stream."""

    def session(self, task: str | None = None, /, *, seed: object = None, **kept: object) -> Asking:
        """Take some inputs once, to ask for answers with the others."""

    def reader(self, task: str | None = None, /) -> Reader:
        """What reads the values of a task apart from answering: the next batch is read while one is answered."""

    def fingerprint(self, task: str | None = None, /) -> str:
        """A digest of all that decides the answers of a task; others have another one."""

    def close(self) -> None:
        """Give back files and memory; it cannot be used afterwards. Closing twice is fine."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


def only_one(tasks: Sequence[str], what: str) -> str:
    """The task, where there is only one; raises InputError listing them otherwise. `what` has them: `this model`."""
    if not tasks:
        raise InputError(f"{what} has no task")
    if len(tasks) != 1:
        raise InputError(f"{what} has several tasks, so name one: {', '.join(tasks)}")
    return tasks[0]
