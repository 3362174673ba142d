"""Steps of decoders as captured graphs: on a pretended device, where a graph is the function that it was made of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import pretended
import pytest
import torch
from pretended import near, pretended_cuda
from torch import Tensor

from composer.execution import captured, load
from composer.execution.captured import MOST_SHAPES, CapturedCache

TASK = "image-caption"


@pytest.fixture
def captures() -> Iterator[list[int]]:
    """How often each captured step ran, on the pretended device."""
    with pretended.captures() as runs, pretended_cuda():
        yield runs


@pytest.fixture
def model(tiny: Any, captures: list[int]) -> Any:
    return load(tiny.document, weights=tiny.weights, tasks=[TASK], device="cuda")


def pictures(tiny: Any, count: int) -> dict[str, Any]:
    return {"image": [str(tiny.picture)] * count}


def test_answers_are_those_of_the_decoder_itself(model: Any, tiny: Any, captures: list[int]) -> None:
    here = load(tiny.document, weights=tiny.weights, tasks=[TASK])
    for count in (1, 2, 1):
        expected, found = here.run(TASK, **pictures(tiny, count)), model.run(TASK, **pictures(tiny, count))
        assert found["caption"] == expected["caption"]
        torch.testing.assert_close(near(found["score"]), expected["score"], rtol=1e-4, atol=1e-5)
    assert len(captures) == 2  # one for each batch
    assert captures[0] > captures[1] > 0


def test_the_decoder_runs_in_the_graph_alone(model: Any, tiny: Any, captures: list[int]) -> None:
    model.run(TASK, **pictures(tiny, 1))
    generator = only_generator(model)
    step, calls = generator.decoder.step, []

    def counted(*arguments: Any) -> Any:
        calls.append(1)
        return step(*arguments)

    generator.decoder.step = counted
    before = captures[0]
    model.run(TASK, **pictures(tiny, 1))
    assert len(calls) == captures[0] - before  # the pretended graph calls what was captured


def only_generator(model: Any) -> Any:
    (generator,) = model.runner(TASK).generators.values()
    return generator


def begun(model: Any, batch: int, beams: int = 2) -> tuple[Any, Any, Any]:
    """A fresh cache of the decoder, and the captured step and cache."""
    from composer.types import States

    generator = only_generator(model)
    memory = torch.randn(batch, 5, 16, generator=torch.Generator().manual_seed(batch)).to(model.device)
    with torch.inference_mode():
        own = generator.decoder.start(memory=States(memory, None), beams=beams, max_tokens=6)
        return own, *generator.captured.begin(own, batch=batch, beams=beams)


@torch.inference_mode()
def test_a_cache_is_reordered_by_the_step_that_follows(model: Any) -> None:
    decoder = only_generator(model).decoder
    own, step, cache = begun(model, 2)
    ids = torch.tensor([[5, 6], [7, 8]], device=model.device)
    parents = torch.tensor([[1, 0], [1, 1]], device=model.device)
    for _ in range(3):
        expected, own = decoder.step(ids, own)
        found, cache = step(ids, cache)
        torch.testing.assert_close(near(found), near(expected))
        own, cache = own.reorder(parents).reorder(parents), cache.reorder(parents).reorder(parents)
    rows = torch.tensor([1], device=model.device)
    expected, _ = decoder.step(ids[rows], own.select(rows))
    found, _ = step(ids[rows], cache.select(rows))
    torch.testing.assert_close(near(found), near(expected))


@torch.inference_mode()
def test_logits_that_a_search_keeps_stay_as_they_were(model: Any) -> None:
    _, step, cache = begun(model, 1)
    first, cache = step(torch.tensor([[5, 6]], device=model.device), cache)
    before = near(first).clone()
    step(torch.tensor([[9, 9]], device=model.device), cache)
    assert torch.equal(near(first), before)


@torch.inference_mode()
def test_going_on_from_a_cache_twice_is_refused(model: Any) -> None:
    _, step, cache = begun(model, 1)
    ids = torch.tensor([[5, 6]], device=model.device)
    step(ids, cache)
    with pytest.raises(
        RuntimeError, match="`steps_once` went on from a cache that it had stepped from before"
    ):
        step(ids, cache)


def test_a_second_search_of_the_same_shape_has_a_cache_of_its_own(model: Any, captures: list[int]) -> None:
    _, _step, _ = begun(model, 1)
    second, step, cache = begun(model, 1)
    assert cache is second
    assert step == only_generator(model).decoder.step
    del _step
    assert isinstance(begun(model, 1)[2], CapturedCache)
    assert len(captures) == 1


def test_captures_are_bounded(model: Any, captures: list[int]) -> None:
    for batch in range(1, MOST_SHAPES + 3):
        begun(model, batch)
    assert len(captures) == MOST_SHAPES + 2
    begun(model, MOST_SHAPES + 2)
    assert len(captures) == MOST_SHAPES + 2
    begun(model, 1)
    assert len(captures) == MOST_SHAPES + 3


@pytest.mark.parametrize("fault", ["reads its numbers", "grows"])
def test_what_cannot_be_captured_runs_as_it_is(
    fault: str, model: Any, tiny: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = model.run(TASK, **pictures(tiny, 1))
    generator = only_generator(model)
    generator.captured = captured.CapturedSteps(generator.decoder)
    real = generator.decoder.step
    if fault == "grows":

        def grown(ids: Tensor, cache: Any) -> Any:
            logits, after = real(ids, cache)
            return logits, after._replace(length=torch.cat((after.length, after.length)))

        monkeypatch.setattr(generator.decoder, "step", grown)
        with torch.inference_mode():
            own, step, cache = begun(model, 1)
        assert (step, cache) == (generator.decoder.step, own)
        return

    def refuse(run: Any, device: torch.device) -> Any:
        raise RuntimeError("operation not permitted when stream is capturing")

    monkeypatch.setattr(captured, "capture", refuse)
    assert model.run(TASK, **pictures(tiny, 1))["caption"] == expected["caption"]


class Swapped(NamedTuple):
    """A cache of two tensors, of which each becomes the other."""

    first: Tensor
    second: Tensor

    @property
    def device(self) -> torch.device:
        return self.first.device


class Swaps:
    def step(self, ids: Tensor, cache: Swapped) -> tuple[Tensor, Swapped]:
        logits = torch.cat((cache.first, cache.second)).reshape(1, 1, -1)
        return logits, Swapped(cache.second[:], cache.first[:])


def test_a_leaf_that_lies_in_the_place_of_another_is_read_before_that_is_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(captured, "capture", lambda run, device: run)
    ids, cache = torch.zeros(1, 1, dtype=torch.int64), Swapped(torch.tensor([1.0]), torch.tensor([2.0]))
    step, cache_there = captured.CapturedSteps(Swaps()).begin(cache, batch=1, beams=1)
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
    monkeypatch.setattr(captured, "capture", lambda run, device: (run(), run)[1])
    decoder, own = Late(first, later), Swapped(torch.zeros(1), first)
    step, cache = captured.CapturedSteps(decoder).begin(own, batch=1, beams=1)
    assert (step, cache) == (decoder.step, own)


def test_a_stream_is_captured_too(tiny: Any, tmp_path: Any, captures: list[int]) -> None:
    path = tmp_path / "greedy.yaml"
    path.write_text(
        f"composer: 1\nextends: {tiny.document}\ntasks:\n  {TASK}:\n    nodes:\n      description:\n"
        "        with: {search: core.greedy}\n"
    )
    expected = load(path, weights=tiny.weights, tasks=[TASK]).run(TASK, image=str(tiny.picture))["caption"]
    model = load(path, weights=tiny.weights, tasks=[TASK], device="cuda")
    assert expected in "".join(model.stream(TASK, image=str(tiny.picture)))
    assert captures[0] > 0
