"""A decoder whose memory is a list of sources: the list arrives in the program that starts the search."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import composer_compile
import pytest
import torch
from composer_compile.parity.records import verify_samples
from composer_compile.plan.planner import plan_document
from torch import Tensor, nn

from composer.execution import Model, load
from composer.plugin import Generation, ModuleType, NoConfig, Registry, Vocabulary, hookimpl, load_registry
from composer.types import Signature, States
from composer.weights import save_weights

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghij"]
DOCUMENT = """\
composer: 1
name: listed
modules:
  embed: {uses: mplug2.text_encoder, with: {hidden: 8, heads: 2, layers: 1, vocabulary: 15, positions: 12}}
  other: {uses: mplug2.text_encoder, with: {hidden: 8, heads: 2, layers: 1, vocabulary: 15, positions: 12}}
  decoder: {uses: test.listed}
tasks:
  answer:
    inputs:
      question: {modality: text, with: {tokenizer: words.txt, max_tokens: 8}}
    nodes:
      one: {call: embed, inputs: {tokens: question.tokens}}
      two: {call: other, inputs: {tokens: question.tokens}}
      answer:
        {generate: decoder, inputs: {memory: [one.states, two.states, one.states]},
        with: {max_tokens: 4, search: {uses: core.beam, with: {beams: BEAMS}}}}
    outputs: {answer: answer.text, score: answer.score}
    compile: {ranges: {batch: "1..3, best 2", question.length: "2..8, best 5"}}
"""


class Cache(NamedTuple):
    """What the decoder keeps: the pooled memory [B, D]."""

    pooled: Tensor

    @property
    def device(self) -> torch.device:
        return self.pooled.device

    def reorder(self, parents: Tensor) -> Cache:
        return self

    def select(self, rows: Tensor) -> Cache:
        return Cache(self.pooled[rows])


class Listed(nn.Module):
    """The next word depends on the last one and on the mean of every source, each by a weight of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(15, 8)
        self.shares = nn.Parameter(torch.tensor([1.0, -2.0, 0.5]))
        self.head = nn.Linear(8, 15)

    def start(self, *, memory: tuple[States, ...], beams: int, max_tokens: int) -> Cache:
        pooled = [each.values.mean(1) for each in memory]
        return Cache(sum(share * each for share, each in zip(self.shares, pooled, strict=True)))  # type: ignore[arg-type]

    def step(self, ids: Tensor, cache: Cache) -> tuple[Tensor, Cache]:
        return self.head(self.words(ids) + cache.pooled.unsqueeze(1)), cache


def build_listed(config: NoConfig) -> Listed:
    return Listed()


def _ports(config: NoConfig, options: Any) -> Signature:
    return Signature({"memory": "states[B, N, 8]*"}, {"text": "text[B]", "score": "numbers[B]"})


class Plugin:
    """Registers the decoder."""

    def __init__(self, tokenizer: str) -> None:
        self.tokenizer = tokenizer

    @hookimpl
    def composer_register(self, register: Any) -> None:
        def vocabulary(config: NoConfig) -> Vocabulary:
            return Vocabulary("text", {"tokenizer": self.tokenizer}, start=2, end=3, pad=0)

        builder = f"{__name__}:build_listed"
        generation = Generation(_ports, vocabulary)
        register(ModuleType("test.listed", NoConfig, {}, builder, "Listed.", generation=generation))


@pytest.fixture(scope="module", params=[1, 2])
def listed(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Model, Registry]:
    folder = tmp_path_factory.mktemp("listed")
    (folder / "words.txt").write_text("\n".join(WORDS) + "\n")
    (folder / "listed.yaml").write_text(DOCUMENT.replace("BEAMS", str(request.param)))
    registry = load_registry([("test", Plugin(str(folder / "words.txt")))])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        model = load(folder / "listed.yaml", weights="initial", registry=registry)
        for module in model.modules.values():
            for parameter in module.parameters():
                parameter.data.add_(torch.randn_like(parameter) * 0.5)
    save_weights(model.modules, folder / "weights.safetensors")
    return folder, model, registry


def test_the_artifact_answers_as_the_live_model(listed: tuple[Path, Model, Registry]) -> None:
    folder, model, registry = listed
    target = folder / "artifact"
    composer_compile.compile_document(
        folder / "listed.yaml", target, weights=folder / "weights.safetensors", registry=registry
    )
    with composer_compile.load(target, registry=registry) as artifact:
        for question in ("a b c", ["d e", "f g", "a a"]):
            found, expected = artifact.run(question=question), model.run(question=question)
            assert found["answer"] == expected["answer"]
            torch.testing.assert_close(found["score"], expected["score"], rtol=1e-4, atol=1e-5)
        assert all(each.passed for each in verify_samples(artifact))
    assert model.run(question="a b c")["score"] != model.run(question="d e f")["score"]


def test_the_plan_reads_every_source(listed: tuple[Path, Model, Registry]) -> None:
    folder, _, registry = listed
    stages = plan_document(folder / "listed.yaml", registry=registry).tasks[0].stages
    assert [stage.name for stage in stages] == ["encode", "answer.start", "answer.decode"]
