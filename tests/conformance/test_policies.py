"""Search policies in the conformance kit: each is run on a cache of the kit's own, and what it finds is held."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor

from composer.conformance import check_plugin
from composer.plugin import NoConfig, Register, SearchPolicy, hookimpl


@dataclass
class Text:
    ids: list[int]
    score: float


class Right:
    """Follows the most probable token of each sample, as greedy search does."""

    def __init__(self, *, config: NoConfig, framing: Any) -> None:
        self.framing = framing

    def search(self, step: Any, cache: Any, batch: int) -> list[list[Text]]:
        rows = [cache.select(torch.tensor([row])) for row in range(batch)]
        return [[Text([self.framing.start, *self.tokens(step, row, end=True)], 0.0)] for row in rows]

    def stream(self, step: Any, cache: Any) -> Iterator[int]:
        yield from self.tokens(step, cache)

    def tokens(self, step: Any, cache: Any, *, end: bool = False) -> Iterator[int]:
        token = self.framing.start
        for position in range(self.framing.max_tokens):
            logits, cache = self.step(step, torch.tensor([[token]]), cache)
            scores = logits[0, 0].clone()
            if position < self.framing.min_tokens:
                scores[list(self.framing.ends)] = -torch.inf
            token = int(scores.argmax())
            if token in self.framing.ends and not end:
                return
            yield token
            if token in self.framing.ends:
                return

    def step(self, step: Any, ids: Tensor, cache: Any) -> Any:
        return step(ids, cache)


class ReadsMore(Right):
    def step(self, step: Any, ids: Tensor, cache: Any) -> Any:
        return step(ids, cache) if cache.length else None


class StepsTwice(Right):
    def step(self, step: Any, ids: Tensor, cache: Any) -> Any:
        step(ids, cache)
        return step(ids, cache)


class ByChance(Right):
    def search(self, step: Any, cache: Any, batch: int) -> list[list[Text]]:
        return [[Text([1, 4, 5, 6 if random.random() < 0.5 else 7], random.random())] for _ in range(batch)]


class EndsEarly(Right):
    def search(self, step: Any, cache: Any, batch: int) -> list[list[Text]]:
        return [[Text([1, 2], 0.0)] for _ in range(batch)]


class GoesOn(Right):
    def search(self, step: Any, cache: Any, batch: int) -> list[list[Text]]:
        return [[Text([1, *[5] * 6], 0.0)] for _ in range(batch)]


class WorstFirst(Right):
    def search(self, step: Any, cache: Any, batch: int) -> list[list[Text]]:
        return [[Text([1, 5, 6, 2], 0.0), Text([1, 5, 5, 2], 1.0)] for _ in range(batch)]


class GivesTheEnd(Right):
    def stream(self, step: Any, cache: Any) -> Iterator[int]:
        yield from self.tokens(step, cache, end=True)


class Plugin:
    def __init__(self, name: str, *, steps_once: bool = False) -> None:
        self.policy = SearchPolicy(
            "test.search",
            f"{__name__}:{name}",
            "A search.",
            streams=lambda config: True,
            steps_once=steps_once,
        )

    @hookimpl
    def composer_register(self, register: Register) -> None:
        register(self.policy)


def result(name: str, *, steps_once: bool = False) -> tuple[str, str]:
    plugin = Plugin(name, steps_once=steps_once)
    (found,) = (each for each in check_plugin(plugin).results if each.check == "search")
    return found.outcome, found.reason


@pytest.mark.parametrize(("name", "steps_once"), [("Right", False), ("Right", True), ("StepsTwice", False)])
def test_a_search_that_keeps_its_declaration_passes(name: str, steps_once: bool) -> None:
    assert result(name, steps_once=steps_once) == ("pass", "")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("ReadsMore", "it reads `cache.length`; a cache offers device, reorder, select and nothing else"),
        ("ByChance", "two searches of the same samples find different texts: declare the policy `seeded`"),
        ("EndsEarly", "a text ends before it has 2 tokens"),
        ("GoesOn", "a text has 6 tokens, and `max_tokens` is 5"),
        ("WorstFirst", "a sample's texts are not in order: the best comes first"),
        ("GivesTheEnd", "its stream gives 2, a token that ends it and is not given"),
    ],
)
def test_a_search_that_breaks_a_promise_fails(name: str, told: str) -> None:
    outcome, reason = result(name)
    assert outcome == "fail"
    assert told in reason


def test_one_that_steps_from_a_cache_twice_may_not_say_that_it_steps_once() -> None:
    outcome, reason = result("StepsTwice", steps_once=True)
    assert outcome == "fail"
    assert "it goes on from a cache a second time, and is declared with `steps_once`" in reason
