"""Search policies in the conformance kit: each is run on a cache of the kit's own, and what it finds is held."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor

from composer.conformance import check_plugin
from composer.execution.captured_search import DecoderSearch
from composer.plugin import Framing, NoConfig, Register, SearchPolicy, TextRules, hookimpl, search_loop
from composer.plugin.implementations import bind_search
from composer.plugin.search_loop import SampleTrace, Turn


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


class OneCache(Right):
    """Steps from the first cache always."""

    def tokens(self, step: Any, cache: Any, *, end: bool = False) -> Iterator[int]:
        return super().tokens(lambda ids, _: (step(ids, cache)[0], cache), cache, end=end)


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


class Turning:
    """Greedy search turn by turn."""

    def __init__(self, *, config: NoConfig, framing: Any) -> None:
        self.framing = framing

    def search(self, step: Any, cache: Any, batch: int) -> Any:
        return search_loop.search(self, step, cache, self.opening(batch, cache.device))

    def stream(self, step: Any, cache: Any) -> Any:
        return search_loop.stream(self, step, cache, self.opening(1, cache.device))

    def opening(self, batch: int, device: Any) -> Turn:
        ends = torch.tensor(self.framing.ends).expand(batch, 1, -1)
        return Turn.opening(batch, 1, start=self.framing.start, state=(ends,), device=device)

    def advance(self, before: Turn, logits: Tensor, position: Tensor) -> Turn:
        (ends,) = before.state
        early = position < self.framing.min_tokens
        scores = logits.scatter(2, ends, logits.gather(2, ends).masked_fill(early, -torch.inf))
        best, tokens = scores.max(dim=2)
        return Turn(tokens, before.parents, (tokens == ends[:, 0]).any(dim=1), (ends,), (best,))

    def texts(self, trace: SampleTrace) -> list[Text]:
        return [Text(trace.ids(len(trace.moments) - 1, 0), trace.moments[-1].noted[0][0])]


class Drawing(Turning):
    """Draws tokens by their probabilities: what it draws with is made of the seed, before the first turn."""

    def search(self, step: Any, cache: Any, batch: int, *, seed: int = 0) -> Any:
        return search_loop.search(self, step, cache, self.opening(batch, cache.device, seed=seed))

    def stream(self, step: Any, cache: Any, *, seed: int = 0) -> Any:
        return search_loop.stream(self, step, cache, self.opening(1, cache.device, seed=seed))

    def opening(self, batch: int, device: Any, *, seed: int = 0) -> Turn:
        drawn = torch.rand(self.framing.max_tokens, 9, generator=torch.Generator().manual_seed(seed))
        turn = super().opening(batch, device)
        return turn._replace(state=(*turn.state, (-drawn.log()).log().neg().expand(batch, -1, -1).to(device)))

    def advance(self, before: Turn, logits: Tensor, position: Tensor) -> Turn:
        ends, drawn = before.state
        drawn_now = logits + drawn.index_select(1, position)
        turn = super().advance(before._replace(state=(ends,)), drawn_now, position)
        return turn._replace(state=before.state)


class DrawsAnew(Drawing):
    def opening(self, batch: int, device: Any, *, seed: int = 0) -> Turn:
        return super().opening(batch, device, seed=random.getrandbits(32))


class LooksAtNumbers(Turning):
    def advance(self, before: Turn, logits: Tensor, position: Tensor) -> Turn:
        assert before.tokens.tolist()
        return super().advance(before, logits, position)


class BranchesOnPosition(Turning):
    def advance(self, before: Turn, logits: Tensor, position: Tensor) -> Turn:
        return super().advance(before, logits if position > 0 else logits + 1, position)


class MakesTensors(Turning):
    def advance(self, before: Turn, logits: Tensor, position: Tensor) -> Turn:
        return super().advance(before, logits + torch.tensor(1.0), position)


class ChangesWhatItWasGiven(Turning):
    def advance(self, before: Turn, logits: Tensor, position: Tensor) -> Turn:
        return super().advance(before, logits.mul_(2), position)


class StateGrows(Turning):
    def advance(self, before: Turn, logits: Tensor, position: Tensor) -> Turn:
        turn = super().advance(before, logits, position)
        return turn._replace(state=(torch.cat((turn.state[0], turn.state[0]), 2),))


class StateOfNoSample(Turning):
    def opening(self, batch: int, device: Any) -> Turn:
        turn = super().opening(batch, device)
        return turn._replace(state=(turn.state[0], torch.zeros(1)))

    def advance(self, before: Turn, logits: Tensor, position: Tensor) -> Turn:
        ends, other = before.state
        return super().advance(before._replace(state=(ends,)), logits, position)._replace(state=(ends, other))


class FloatsForTokens(Turning):
    def advance(self, before: Turn, logits: Tensor, position: Tensor) -> Turn:
        turn = super().advance(before, logits, position)
        return turn._replace(done=turn.done.float())


class FindsOthers(Turning):
    def search(self, step: Any, cache: Any, batch: int) -> Any:
        return [[Text([1, 5, 6, 7, 2], 0.0)] for _ in range(batch)]


class StreamsOthers(Turning):
    def stream(self, step: Any, cache: Any) -> Any:
        yield from (5, 6, 7)


class SeesOthers(Turning):
    """Scores of all samples decide the token of each."""

    def advance(self, before: Turn, logits: Tensor, position: Tensor) -> Turn:
        return super().advance(before, logits - 2 * logits.mean(0, keepdim=True), position)


class CutsTexts(Right):
    """Finds less than it shows."""

    def search(self, step: Any, cache: Any, batch: int) -> list[list[Text]]:
        return [[Text(text.ids[:3], text.score)] for (text,) in super().search(step, cache, batch)]


class OpensNothing(Turning):
    opening = None  # type: ignore[assignment]


class GivesMore(Turning):
    def outputs(self, found: Any, device: Any) -> Any:
        return {"sureness": torch.ones(len(found), device=device)}


class GivesTooFew(Turning):
    def outputs(self, found: Any, device: Any) -> Any:
        return {"sureness": torch.ones(1, device=device)}


class InPairs(Turning):
    """Two beams that go the same way."""

    def opening(self, batch: int, device: Any) -> Turn:
        ends = torch.tensor(self.framing.ends).expand(batch, 2, -1)
        return Turn.opening(batch, 2, start=self.framing.start, state=(ends,), device=device)

    def rivals(self, trace: SampleTrace) -> Any:
        return [trace.ids(len(trace.moments) - 1, beam) for beam in range(2)]


class TakesBack(InPairs):
    def rivals(self, trace: SampleTrace) -> Any:
        return [[*ids[:-1], 8] for ids in super().rivals(trace)]


class Plugin:
    def __init__(self, name: str, *, beams: int = 1, **declared: Any) -> None:
        self.policy = SearchPolicy(
            "test.search",
            f"{__name__}:{name}",
            "A search.",
            streams=lambda config: True,
            beams=lambda config: beams,
            **declared,
        )

    @hookimpl
    def composer_register(self, register: Register) -> None:
        register(self.policy)


def result(name: str, **declared: Any) -> tuple[str, str]:
    plugin = Plugin(name, **declared)
    (found,) = (each for each in check_plugin(plugin).results if each.check == "search")
    return found.outcome, found.reason


@pytest.mark.parametrize(
    ("name", "steps_once"), [("Right", False), ("Right", True), ("StepsTwice", False), ("Turning", False)]
)
def test_a_search_that_keeps_its_declaration_passes(name: str, steps_once: bool) -> None:
    assert result(name, steps_once=steps_once) == ("pass", "")


def test_one_that_draws_turn_by_turn_draws_of_its_seed_alone() -> None:
    assert result("Drawing", seeded=True) == ("pass", "")
    outcome, reason = result("DrawsAnew", seeded=True)
    assert (outcome, "the seed is all it may draw from" in reason) == ("fail", True)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("OneCache", "and no cache had read [1, "),
        ("ReadsMore", "it reads `cache.length`; a cache offers device, reorder, select and nothing else"),
        ("ByChance", "two searches of the same samples find different texts: declare the policy `seeded`"),
        ("EndsEarly", "a text ends before it has 2 tokens"),
        ("GoesOn", "a text has 6 tokens, and `max_tokens` is 5"),
        ("WorstFirst", "a sample's texts are not in order: the best comes first"),
        ("GivesTheEnd", "its stream gives 2, a token that ends it and is not given"),
        ("LooksAtNumbers", "its `advance` looks at numbers, or has results of no fixed shape"),
        ("BranchesOnPosition", "its `advance` looks at numbers, or has results of no fixed shape"),
        (
            "MakesTensors",
            "its `advance` makes a tensor of Python's numbers: make it in `opening`, in the state",
        ),
        ("ChangesWhatItWasGiven", "its `advance` changes a tensor that it was given"),
        ("StateGrows", "the state that its `advance` gives has another form than the one before"),
        ("StateOfNoSample", "a tensor of its state, or one that it notes, has no row for each sample"),
        ("FloatsForTokens", "its `advance` gives `done` [3] of torch.float32; torch.bool [3] is expected"),
        ("FindsOthers", "turn by turn (`advance`), it finds other texts than its `search`"),
        ("StreamsOthers", "turn by turn (`advance`), it streams other tokens than its `stream`"),
        ("OpensNothing", "an object with the method `opening` is expected"),
        ("SeesOthers", "alone, sample 0 has the text"),
        ("CutsTexts", "with one beam, its stream shows another text than its search finds"),
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


SURENESS = {"ports": lambda config: {"sureness": "numbers[B]"}}


@pytest.mark.parametrize(
    ("name", "declared", "told"),
    [
        ("GivesMore", SURENESS, ""),
        ("GivesMore", {}, "its `outputs` gives sureness, and its `ports` are none"),
        ("Turning", SURENESS, "its `outputs` gives nothing, and its `ports` are sureness"),
        ("GivesTooFew", SURENESS, "its `outputs` gives `sureness` of the sizes [1]; [3] are expected"),
        ("InPairs", {"beams": 2}, ""),
        ("TakesBack", {"beams": 2}, "its stream shows another text than its search finds"),
        ("Turning", {"beams": 2}, "an object with the method `rivals` is expected"),
    ],
)
def test_ports_and_streams_of_beams_are_held(name: str, declared: dict[str, Any], told: str) -> None:
    outcome, reason = result(name, **declared)
    assert outcome == ("fail" if told else "pass")
    assert told in reason


@pytest.mark.parametrize("name", ["Right", "Turning"])
def test_a_policy_of_a_plugin_has_the_rules_by_its_config(name: str) -> None:
    """Whether it goes turn by turn or calls the decoder itself, it does nothing for them."""
    policy = Plugin(name, config=TextRules, examples=({}, {"forbidden": [5, [6, 7]], "first": 8})).policy
    framing = Framing(1, (2, 3), 0, 1, 5)
    step = SimpleNamespace(step=lambda ids, cache: (torch.arange(9.0).expand(1, 1, -1), cache))

    class Cache(NamedTuple):
        device: torch.device = torch.device("cpu")

        def reorder(self, parents: Tensor) -> Any:
            return self

        def select(self, rows: Tensor) -> Any:
            return self

    config = TextRules.model_validate({"first": [4, 5], "forbidden": [8], "no_repeat_ngram": 1})
    bound = bind_search(policy, config, framing, beams=1, streams=True)
    ((text,),) = DecoderSearch(bound, step, captures=False).find(Cache(), 1, 0)
    assert list(text.ids[1:]) == [4, 5, 7, 6, 3]
    assert list(DecoderSearch(bound, step, captures=False).stream(Cache(), 0)) == [4, 5, 7, 6]
    assert result(name, config=TextRules, examples=policy.examples) == ("pass", "")
