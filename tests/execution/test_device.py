"""Live models on a GPU, on a pretended one: nothing is left behind on the processor, and the answers are the same."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from documents import checked
from pretended import DEVICE, OnDevice, near, pretended_cuda, reads

from composer.execution import load
from composer.types import States, Tokens
from composer.weights import save_weights

WRITTEN = """\
composer: 1
modules:
  words: {uses: toy.text}
  decoder: {uses: toy.decoder}
  read: {uses: toy.read}
tasks:
  answer:
    inputs:
      question: {modality: array, with: {kind: tokens, dims: [B, L]}}
    nodes:
      read: {call: words, inputs: question}
      first: {generate: decoder, inputs: {memory: read}, with: {max_tokens: 3}}
      again: {call: read, inputs: first.ids}
      vector: {uses: core.pool, inputs: again}
    outputs: {ids: first.ids, score: first.score, vector: vector, text: first.text}
"""
CHAINED = """\
composer: 1
modules:
  first: {uses: core.linear, with: {output_dim: 3}}
  second: {uses: core.linear, with: {output_dim: 2}}
tasks:
  first:
    inputs: {vector: {modality: array, with: {kind: embedding, dims: [B, 4]}}}
    nodes: {scores: {call: first.scores, inputs: {embedding: vector.embedding}}}
    outputs: {scores: scores.scores}
  second:
    inputs: {given: {modality: array, with: {kind: states, dims: [B, N, 3]}}}
    nodes: {states: {call: second, inputs: {states: given.states}}}
    outputs: {states: states.states}
"""


def on_both(document: Any, weights: Any, task: str, raw: dict[str, Any]) -> tuple[dict[str, Any], ...]:
    """What a task answers on the processor and on the device."""
    here = load(document, weights=weights, tasks=[task]).run(task, **raw)
    with pretended_cuda():
        return here, load(document, weights=weights, tasks=[task], device="cuda").run(task, **raw)


def agree(ours: Any, theirs: Any) -> None:
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        if isinstance(value, torch.Tensor):
            torch.testing.assert_close(near(theirs[name]), value, rtol=1e-4, atol=1e-5)
        else:
            assert theirs[name] == value


def test_the_device_refuses_what_a_gpu_refuses() -> None:
    with pretended_cuda() as device:
        ours = torch.ones(2, device=device) * 2
        assert (type(ours), ours.device) == (OnDevice, DEVICE)
        assert (ours + torch.tensor(1.0)).tolist() == [3.0, 3.0]
        with pytest.raises(RuntimeError, match="same device"):
            ours + torch.ones(2)
        with pytest.raises(RuntimeError, match="same device"):
            torch.ones(2)[ours.long()]
        with pytest.raises(TypeError, match="numpy"):
            ours.numpy()
        assert type(ours.cpu()) is torch.Tensor
    assert not torch.cuda.is_available() or torch.ones(1, device="cuda").is_cuda


@pytest.mark.parametrize("task", ["video-qa", "image-caption", "image-qa-rank"])
def test_every_kind_of_task_answers_as_on_the_processor(task: str, tiny: Any) -> None:
    requests: dict[str, dict[str, Any]] = {
        "video-qa": {"video": [str(tiny.clip)] * 2, "question": ["a b", "c"]},
        "image-caption": {"image": str(tiny.picture)},
        "image-qa-rank": {"image": str(tiny.picture), "question": "a", "answers": ["a b", "c d", "e"]},
    }
    agree(*on_both(tiny.document, tiny.weights, task, requests[task]))


def test_what_a_search_wrote_can_be_read_by_the_next_node(tmp_path: Any) -> None:
    report = checked(WRITTEN)
    save_weights(load(report, weights="initial").modules, tmp_path / "weights.safetensors")
    question = Tokens(np.array([3, 5, 9]), np.array([1, 1, 0]))
    agree(*on_both(report, tmp_path / "weights.safetensors", "answer", {"question": [question] * 2}))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_what_one_task_gave_is_an_input_of_another(dtype: str, tmp_path: Any) -> None:
    """Tensors are taken as arrays are, wherever they lie and in whatever number format."""
    report = checked(CHAINED)
    save_weights(load(report, weights="initial").modules, tmp_path / "weights.safetensors")
    with pretended_cuda() as device:
        model = load(report, weights=tmp_path / "weights.safetensors", device=device, dtype=dtype)
        given = torch.linspace(-1, 1, 4)
        first = model.run("first", vector=given.numpy())["scores"]
        assert (first.device, first.dtype) == (device, getattr(torch, dtype))
        second = model.run("second", given=[States(first.unsqueeze(0), None)])["states"]
        assert (second.values.device, second.values.shape) == (device, (1, 1, 2))


def test_a_text_is_streamed(tiny: Any) -> None:
    settings = {"beams": 1}
    raw = {"image": str(tiny.picture)}
    here = load(tiny.document, weights=tiny.weights, settings=settings, tasks=["image-caption"])
    with pretended_cuda():
        there = load(
            tiny.document, weights=tiny.weights, settings=settings, tasks=["image-caption"], device="cuda"
        )
        assert "".join(there.stream("image-caption", **raw)) == here.run("image-caption", **raw)["caption"]


@pytest.mark.parametrize(
    "search", ["{uses: mplug2.beam}", "{uses: core.beam, with: {beams: 3}}", "core.greedy"]
)
def test_a_search_makes_the_host_wait_once_in_eight_tokens(search: str, tiny: Any, tmp_path: Any) -> None:
    """Between two steps of the decoder nothing is read from the device; texts are read when the search is over."""
    path = tmp_path / "long.yaml"
    path.write_text(
        f"composer: 1\nextends: {tiny.document}\ntasks:\n  image-caption:\n    nodes:\n      description:\n"
        f"        with: {{min_tokens: 17, max_tokens: 18, search: {search}}}\n"
    )
    here = load(path, weights=tiny.weights, tasks=["image-caption"])
    expected = here.run("image-caption", image=[str(tiny.picture)] * 2)
    with pretended_cuda():
        model = load(path, weights=tiny.weights, tasks=["image-caption"], device="cuda")
        (generator,) = model.runner("image-caption").generators.values()
        step, waited = generator.decoder.step, []

        def watched(*arguments: Any) -> Any:
            before = len(reads)
            waited.append(before)
            found = step(*arguments)
            assert reads[before:] == []
            return found

        generator.decoder.step = watched  # type: ignore[method-assign]
        agree(expected, model.run("image-caption", image=[str(tiny.picture)] * 2))
    assert len(waited) == 18
    assert [later - earlier for earlier, later in itertools.pairwise(waited)] == [*[0] * 7, 1, *[0] * 7, 1, 0]
    assert len(reads) - waited[-1] <= 7  # what the texts are made of
