"""Something that answers tasks without a model: a text gets the number of its letters. It can be told to fail."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

import torch

from composer.execution import Asking, InputFacts, TaskPorts
from composer.execution.task_reader import OutputFacts, ReadBatch
from composer.plugin import load_registry
from composer.problems import ComposerError, InputError
from composer.types import Kind

__all__ = ["Counting", "StoppedError", "stopping"]


@cache
def text_kind() -> Kind:
    return load_registry().kinds["text"]


class Counting:
    """One task `count` with the input `text`. A text that holds `unreadable` is refused when it is read, one that holds
    `breaks` when it is answered; `calls` holds the batches that were answered.
    """

    device = torch.device("cpu")
    tasks = ("count",)

    def __init__(
        self, before: Callable[[list[str]], None] = lambda texts: None, name: str = "counting"
    ) -> None:
        self.calls: list[list[str]] = []
        self.read_alone: list[str] = []
        self.broken = False
        self._before = before
        self._name = name
        self._kind = text_kind()

    def only_task(self) -> str:
        return "count"

    def ports(self, task: str | None = None, /) -> TaskPorts:
        return TaskPorts({"text": "text"}, {"letters": "text"})

    def run(self, task: str | None = None, /, *, seed: object = None, **raw: object) -> dict[str, Any]:
        raise NotImplementedError

    def stream(self, task: str | None = None, /, *, seed: object = None, **raw: object) -> Iterator[str]:
        raise NotImplementedError

    def session(self, task: str | None = None, /, *, seed: object = None, **kept: object) -> Asking:
        raise NotImplementedError

    def close(self) -> None: ...

    def __enter__(self) -> Counting:
        return self

    def __exit__(self, *_: object) -> None: ...

    def fingerprint(self, task: str | None = None, /) -> str:
        return self._name

    def reader(self, task: str | None = None, /) -> Counting:
        return self

    inputs: Mapping[str, InputFacts] = {"text": InputFacts("text", False, True, True)}
    sizes: tuple[int, int | None] = (1, None)
    undivided: str | None = None

    draws_apart = False

    def check_seed(self, seed: object) -> None:
        if seed == 4:
            raise InputError("it takes no seed 4")

    def read(self, raw: Mapping[str, Any]) -> ReadBatch:
        texts = raw["text"]
        if len(texts) == 1:
            self.read_alone += texts
        for text in texts:
            if not isinstance(text, str) or "unreadable" in text:
                raise InputError(f"{text} cannot be read")
        return ReadBatch(texts, len(texts), self._answer, {"letters": OutputFacts(self._kind, varies=False)})

    def _answer(self, texts: list[str], seed: object) -> dict[str, Any]:
        self._before(texts)
        if self.broken or any("breaks" in text for text in texts):
            raise ComposerError(f"a node failed on {len(texts)} texts")
        self.calls.append(texts)
        return {"letters": [str(len(text)) for text in texts]}


class StoppedError(Exception):
    pass


def stopping(after: int) -> Counting:
    """A model whose process ends after so many batches."""
    model = Counting()

    def before(texts: list[str]) -> None:
        if len(model.calls) == after:
            raise StoppedError

    model._before = before
    return model
