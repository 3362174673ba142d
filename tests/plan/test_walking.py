"""The one walk: sources are read, results are written, and what watches sees each step once and in order."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from composer.plan import Sources, Walked, current_watch, execute, pieces_inside, watched, watching


@dataclass
class Part:
    """A step on values by name."""

    name: str
    reads: Sources
    outputs: tuple[str, ...]
    callee: str = "nothing"

    @property
    def only(self) -> str | None:
        return self.outputs[0] if len(self.outputs) == 1 else None

    def write(self, values: dict[str, Any], result: dict[str, Any]) -> None:
        values.update(result)


ADD = Part("add", (("first", "a"), ("others", ("b", "c"))), ("sum",))
SPLIT = Part("split", (("value", "sum"),), ("half", "rest"))


def add(first: int, others: tuple[int, ...]) -> int:
    return first + sum(others)


def split(value: int) -> dict[str, int]:
    return {"half": value // 2, "rest": value % 2}


def test_a_step_reads_one_value_or_a_tuple_and_writes_one_or_several() -> None:
    values: dict[str, Any] = {"a": 1, "b": 2, "c": 4}
    execute([(ADD, add), (SPLIT, split)], values)
    assert values == {"a": 1, "b": 2, "c": 4, "sum": 7, "half": 3, "rest": 1}


def test_a_watch_is_around_every_step_and_sees_the_one_that_fails() -> None:
    seen: list[str] = []

    @contextmanager
    def watch(step: Walked) -> Iterator[None]:
        seen.append(f"{step.name} begins")
        try:
            yield
        finally:
            seen.append(f"{step.name} ends")

    def fail(value: int) -> dict[str, int]:
        raise ValueError(value)

    values: dict[str, Any] = {"a": 1, "b": 2, "c": 4}
    with pytest.raises(ValueError, match="7"):
        execute([(ADD, add), (SPLIT, fail)], values, watch)
    assert seen == ["add begins", "add ends", "split begins", "split ends"]
    assert values["sum"] == 7
    assert "half" not in values


def test_what_watches_is_what_the_nearest_block_says_and_nothing_outside() -> None:
    seen: list[str] = []

    @contextmanager
    def watch(step: Walked) -> Iterator[None]:
        seen.append(step.name)
        yield

    assert current_watch() is None
    with watching(watch):
        assert current_watch() is watch
        assert list(pieces_inside(iter(["a", "b"]), partial(watched, ADD))) == ["a", "b"]
    assert current_watch() is None
    assert seen == ["add"] * 3  # two pieces, and finding that there is no third
    assert list(pieces_inside(iter(["a"]), partial(watched, ADD))) == ["a"]
    assert len(seen) == 3
