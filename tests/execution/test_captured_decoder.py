"""Steps of decoders as captured graphs, for searches that look between two of them: on a pretended device."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import pretended
import pytest
import torch
from pretended import near, pretended_cuda
from torch import Tensor

from composer.execution import captured, load
from composer.execution.captured_decoder import CapturedCache, CapturedSteps
from composer.execution.captured_search import DecoderSearch
from composer.types import States

TASK = "image-caption"


@pytest.fixture
def captures() -> Iterator[list[int]]:
    """How often each captured step ran, on the pretended device."""
    with pretended.captures() as runs, pretended_cuda():
        yield runs


@pytest.fixture
def model(tiny: Any, captures: list[int]) -> Any:
    return load(tiny.document, weights=tiny.weights, tasks=[TASK], device="cuda")


def only_generator(model: Any) -> Any:
    (generator,) = model.runner(TASK).generators.values()
    return generator


@pytest.fixture
def steps(model: Any) -> CapturedSteps:
    return CapturedSteps(only_generator(model).decoder)


def begun(steps: CapturedSteps, batch: int, beams: int = 2) -> tuple[Any, Any, Any]:
    """A fresh cache of the decoder, and the captured step and cache."""
    memory = torch.randn(batch, 5, 16, generator=torch.Generator().manual_seed(batch)).to("cuda")
    with torch.inference_mode():
        decoder: Any = steps.decoder
        own = decoder.start(memory=States(memory, None), beams=beams, max_tokens=6)
        return own, *steps.begin(own, batch=batch, beams=beams)


class Alone:
    """A policy that runs by itself and offers nothing else."""

    def __init__(self, policy: Any) -> None:
        self.search, self.stream = policy.search, policy.stream


def test_a_policy_that_steps_once_answers_as_before(model: Any, tiny: Any, captures: list[int]) -> None:
    """It need not advance turn by turn: then the decoder's steps alone are captured."""
    expected = load(tiny.document, weights=tiny.weights, tasks=[TASK])
    generator = only_generator(model)
    found = generator.search
    for steps_once in (True, False):
        policy = replace(found.policy, steps_once=steps_once)
        search = replace(found, policy=policy, implementation=Alone(found.implementation))
        generator.searching = DecoderSearch(search, generator.decoder, captures=True)
        for count in (1, 2, 1):
            raw = {"image": [str(tiny.picture)] * count}
            ours, theirs = model.run(TASK, **raw), expected.run(TASK, **raw)
            assert ours["caption"] == theirs["caption"]
            torch.testing.assert_close(near(ours["score"]), theirs["score"], rtol=1e-4, atol=1e-5)
        assert len(captures) == 2  # one for each batch, of the one that steps once
        assert captures[0] > captures[1] > 0


@torch.inference_mode()
def test_a_cache_is_reordered_by_the_step_that_follows(steps: CapturedSteps) -> None:
    decoder = steps.decoder
    own, step, cache = begun(steps, 2)
    ids = torch.tensor([[5, 6], [7, 8]], device="cuda")
    parents = torch.tensor([[1, 0], [1, 1]], device="cuda")
    for _ in range(3):
        expected, own = decoder.step(ids, own)
        found, cache = step(ids, cache)
        torch.testing.assert_close(near(found), near(expected))
        own, cache = own.reorder(parents).reorder(parents), cache.reorder(parents).reorder(parents)
    rows = torch.tensor([1], device="cuda")
    expected, _ = decoder.step(ids[rows], own.select(rows))
    found, _ = step(ids[rows], cache.select(rows))
    torch.testing.assert_close(near(found), near(expected))


@torch.inference_mode()
def test_logits_that_a_search_keeps_stay_as_they_were(steps: CapturedSteps) -> None:
    _, step, cache = begun(steps, 1)
    first, cache = step(torch.tensor([[5, 6]], device="cuda"), cache)
    before = near(first).clone()
    step(torch.tensor([[9, 9]], device="cuda"), cache)
    assert torch.equal(near(first), before)


@torch.inference_mode()
def test_going_on_from_a_cache_twice_is_refused(steps: CapturedSteps) -> None:
    _, step, cache = begun(steps, 1)
    ids = torch.tensor([[5, 6]], device="cuda")
    step(ids, cache)
    with pytest.raises(
        RuntimeError, match="`steps_once` went on from a cache that it had stepped from before"
    ):
        step(ids, cache)


def test_a_second_search_of_the_same_shape_has_a_cache_of_its_own(
    steps: CapturedSteps, captures: list[int]
) -> None:
    first = begun(steps, 1)
    second, step, cache = begun(steps, 1)
    assert cache is second
    assert step == steps.decoder.step
    del first
    assert isinstance(begun(steps, 1)[2], CapturedCache)
    assert len(captures) == 1


@pytest.mark.parametrize("fault", ["reads its numbers", "grows"])
def test_what_cannot_be_captured_runs_as_it_is(
    fault: str, steps: CapturedSteps, captures: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    real: Any = steps.decoder.step

    def faulty(ids: Tensor, cache: Any) -> Any:
        logits, after = real(ids, cache)
        if fault == "grows":
            return logits, after._replace(length=torch.cat((after.length, after.length)))
        assert int(after.length) < 100
        return logits, after

    monkeypatch.setattr(steps.decoder, "step", faulty)
    own, step, cache = begun(steps, 1)
    assert (step, cache) == (faulty, own)
    assert captures == []


class Swapped(NamedTuple):
    """A cache of two tensors, of which each becomes the other."""

    first: Tensor
    second: Tensor

    @property
    def device(self) -> torch.device:
        return self.first.device

    def reorder(self, parents: Tensor) -> Swapped:
        return self

    def select(self, rows: Tensor) -> Swapped:
        return self


class Swaps:
    def step(self, ids: Tensor, cache: Swapped) -> tuple[Tensor, Swapped]:
        logits = torch.cat((cache.first, cache.second)).reshape(1, 1, -1)
        return logits, Swapped(cache.second[:], cache.first[:])


def test_a_leaf_that_lies_in_the_place_of_another_is_read_before_that_is_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(captured, "capture", lambda run, begin, device: run)
    ids, cache = torch.zeros(1, 1, dtype=torch.int64), Swapped(torch.tensor([1.0]), torch.tensor([2.0]))
    step, cache_there = CapturedSteps(Swaps()).begin(cache, batch=1, beams=1)
    for expected in ([1.0, 2.0], [2.0, 1.0], [1.0, 2.0]):
        logits, cache_there = step(ids, cache_there)
        assert logits.flatten().tolist() == expected


class Late:
    """A cache in which a tensor comes, goes, or changes its format with the first step."""

    def __init__(self, first: Any, later: Any) -> None:
        self.first, self.later = first, later

    def step(self, ids: Tensor, cache: Swapped) -> tuple[Tensor, Swapped]:
        return torch.zeros(1, 1, 3), Swapped(cache.first, self.later)


@pytest.mark.parametrize(
    ("first", "later"),
    [
        (None, torch.ones(1)),
        (torch.ones(1), None),
        (torch.ones(1), 3),
        (torch.ones(1), torch.ones(2)),
        (torch.ones(1), torch.ones(1, dtype=torch.float64)),
    ],
    ids=["comes", "goes", "becomes a number", "grows", "format"],
)
def test_a_cache_that_changes_its_form_runs_as_it_is(
    first: Any, later: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(captured, "capture", lambda run, begin, device: (run(), run)[1])
    decoder, own = Late(first, later), Swapped(torch.zeros(1), first)
    step, cache = CapturedSteps(decoder).begin(own, batch=1, beams=1)
    assert (step, cache) == (decoder.step, own)
