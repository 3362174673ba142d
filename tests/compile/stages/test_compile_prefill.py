"""A decoder with a prompt: the prompt is run once, by a program of its own, and gives the first token."""

from __future__ import annotations

from typing import Any, NamedTuple

import composer_compile
import pytest
import torch
from pretended import captures, pretended_cuda
from pydantic import ValidationInfo, field_validator
from torch import Tensor, nn

from composer.conformance import check_plugin
from composer.execution import load
from composer.plugin import (
    Config,
    Generation,
    ModuleType,
    Registry,
    Vocabulary,
    folder_of,
    hookimpl,
    load_registry,
)
from composer.types import Signature, States
from composer.weights import save_weights

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghij"]
DOCUMENT = """\
composer: 1
name: prompted
modules:
  embed: {uses: mplug2.text_encoder, with: {hidden: 8, heads: 2, layers: 1, vocabulary: 15, positions: 12}}
  language: {uses: test.causal, with: {tokenizer: words.txt}}
tasks:
  go-on:
    inputs:
      prompt: {modality: text, with: {tokenizer: words.txt, separator: false, max_tokens: 8}}
    nodes:
      words: {call: embed, inputs: {tokens: prompt.tokens}}
      reply: {generate: language, inputs: {prompt: words.states},
        with: {max_tokens: 5, search: {uses: mplug2.beam, with: {beams: BEAMS}}}}
    outputs: {reply: reply.text}
    compile: {ranges: {batch: "1..3, best 2", prompt.length: "2..8, best 5"}}
"""


class Room(NamedTuple):
    """What is known before the prompt is run."""

    beams: int
    max_tokens: int


class Cache(NamedTuple):
    keys: Tensor
    """Of the prompt, [B, L, D]."""
    hidden: Tensor
    """What is added to the scores of the prompt, [B, 1, L]."""
    past: Tensor
    """States of the reply, [B, K, M, D]; `length` of them are filled."""
    length: Tensor

    @property
    def device(self) -> torch.device:
        return self.keys.device

    def reorder(self, parents: Tensor) -> Cache:
        samples = torch.arange(parents.shape[0], device=parents.device).unsqueeze(1)
        return self._replace(past=self.past[samples, parents])

    def select(self, rows: Tensor) -> Cache:
        return Cache(self.keys[rows], self.hidden[rows], self.past[rows], self.length)


class Causal(nn.Module):
    """One layer of causal attention: the prompt among itself, each token of the reply over prompt and reply."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(15, 8)
        self.query = nn.Linear(8, 8)
        self.head = nn.Linear(8, 15)

    def start(self, *, beams: int, max_tokens: int) -> Room:
        return Room(beams, max_tokens)

    def prefill(self, *, prompt: States, cache: Room) -> tuple[Tensor, Cache]:
        values = prompt.values
        mask = torch.ones_like(values[..., 0]) if prompt.mask is None else prompt.mask.to(values.dtype)
        hidden = (1 - mask).unsqueeze(1) * -1e4
        causal = values.new_ones(values.shape[1], values.shape[1]).tril().log().clamp(min=-1e4)
        weights = (self.query(values) @ values.transpose(1, 2) + hidden + causal).softmax(-1)
        last = (mask.sum(1) - 1).to(torch.int64)
        state = (weights @ values)[torch.arange(values.shape[0], device=values.device), last]
        logits = self.head(state).unsqueeze(1).expand(-1, cache.beams, -1)
        past = values.new_zeros(values.shape[0], cache.beams, cache.max_tokens, values.shape[2])
        return logits, Cache(values, hidden, past, torch.zeros(1, dtype=torch.int64, device=values.device))

    def step(self, ids: Tensor, cache: Cache) -> tuple[Tensor, Cache]:
        state = self.words(ids)
        places = torch.arange(cache.past.shape[2], device=ids.device)
        past = torch.where((places == cache.length)[:, None], state.unsqueeze(2), cache.past)
        query = self.query(state)
        seen = query @ cache.keys.transpose(1, 2) + cache.hidden
        own = (query.unsqueeze(2) @ past.transpose(2, 3)).squeeze(2)
        own = own.masked_fill(places > cache.length, -1e4)
        weights = torch.cat((seen, own), -1).softmax(-1)
        length = cache.keys.shape[1]
        mixed = weights[..., :length] @ cache.keys
        mixed = mixed + (weights[..., length:].unsqueeze(2) @ past).squeeze(2)
        return self.head(mixed), cache._replace(past=past, length=cache.length + 1)


class CausalConfig(Config):
    """`with` of `test.causal`."""

    tokenizer: str = "words.txt"
    """Its vocabulary."""

    @field_validator("tokenizer")
    @classmethod
    def _beside_the_document(cls, value: str, info: ValidationInfo) -> str:
        directory = folder_of(info)
        return value if directory is None else str(directory / value)


def build_causal(config: CausalConfig) -> Causal:
    return Causal()


def _ports(config: CausalConfig, options: Any) -> Signature:
    return Signature({"prompt": "states[B, L, 8]"}, {"text": "text[B]"})


def _vocabulary(config: CausalConfig) -> Vocabulary:
    return Vocabulary("text", {"tokenizer": config.tokenizer}, start=2, end=3, pad=0)


class Plugin:
    """Registers the decoder; `prompt` can be wrong, for the conformance kit."""

    def __init__(self, *, prompt: tuple[str, ...] = ("prompt",)) -> None:
        self.prompt = prompt

    @hookimpl
    def composer_register(self, register: Any) -> None:
        generation = Generation(_ports, _vocabulary, prompt=self.prompt)
        builder = f"{__name__}:build_causal"
        register(ModuleType("test.causal", CausalConfig, {}, builder, "Causal.", generation=generation))


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load_registry([("test", Plugin())])


@pytest.fixture(scope="module", params=[1, 3])
def prompted(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, registry: Registry
) -> Any:
    """(live model, artifact) of the document with this number of beams."""
    folder = tmp_path_factory.mktemp("prompted")
    (folder / "words.txt").write_text("\n".join(WORDS) + "\n")
    document = folder / "prompted.yaml"
    document.write_text(DOCUMENT.replace("BEAMS", str(request.param)))
    torch.manual_seed(11)
    model = load(document, weights="initial", registry=registry)
    for module in model.modules.values():
        for parameter in module.parameters():
            parameter.data.mul_(2).add_(torch.randn_like(parameter) * 0.8)
    save_weights(model.modules, folder / "weights.safetensors")
    composer_compile.compile_document(
        document, folder / "out", weights=folder / "weights.safetensors", registry=registry
    )
    with composer_compile.load(folder / "out", registry=registry) as artifact:
        yield model, artifact


@pytest.mark.parametrize("prompted", [1], indirect=True)
def test_the_first_token_is_the_prompts(prompted: Any) -> None:
    """Against a decoder that runs prompt and reply anew for every token."""
    model, _ = prompted
    runner = model.runner("go-on")
    tensors, _ = runner.inputs.encode({"prompt": "a b c"}, torch.device("cpu"))
    slots = runner.program(tensors)
    states = slots[runner.plan.slot(("words", "states"))].values
    decoder: Causal = model.modules["language"]
    ids: list[int] = []
    with torch.no_grad():
        for _ in range(5):
            whole = torch.cat((states, decoder.words(torch.tensor([ids], dtype=torch.int64))), 1)
            # Without a cache: the whole text is one prompt, and its last position gives the next token.
            weights = (decoder.query(whole[:, -1:]) @ whole.transpose(1, 2)).softmax(-1)
            ids.append(int(decoder.head(weights @ whole)[0, 0].argmax()))
            if ids[-1] == 3:
                break
    found = runner.generators["reply"].run(slots)[0][0].ids
    assert found == [2, *ids]
    assert len(set(ids)) > 1


def test_an_artifact_runs_the_prompt_in_a_program_of_its_own(prompted: Any) -> None:
    model, artifact = prompted
    order = [getattr(part, "name", "reply") for part in artifact.manifest.tasks["go-on"].order]
    assert order == ["encode", "reply.prefill", "reply"]
    prompts = ["a b c", "j", "d e f g h"]
    expected = model.run("go-on", prompt=prompts)
    assert artifact.run(prompt=prompts) == expected
    assert [artifact.run(prompt=prompt)["reply"] for prompt in prompts] == expected["reply"]
    assert len(set(expected["reply"])) > 1


def test_on_a_gpu_the_turns_after_the_prompts_are_graphs(prompted: Any, registry: Registry) -> None:
    """Live and from the artifact, on a pretended device: the first turn is made of the prompt's scores."""
    model, artifact = prompted
    prompts = ["a b c", "j", "d e f g h"]
    expected = model.run("go-on", prompt=prompts)
    weights = artifact.path.with_name("weights.safetensors")
    document = artifact.path.with_name("prompted.yaml")
    with pretended_cuda(), captures() as runs:
        live = load(document, weights=weights, registry=registry, device="cuda")
        with composer_compile.load(artifact.path, registry=registry, device="cuda") as compiled:
            both: tuple[Any, Any] = (live, compiled)
            for count, there in enumerate(both, start=1):
                for _ in range(2):
                    assert there.run("go-on", prompt=prompts) == expected
                assert (
                    runs.count(2 * 4) == count
                )  # of five tokens; beside programs of the artifact, which run once
            if model.runner("go-on").generators["reply"].search.streams:
                for there in both:
                    assert (
                        "".join(there.stream("go-on", prompt="d e f"))
                        == model.run("go-on", prompt="d e f")["reply"]
                    )
                assert sum(ran > 1 for ran in runs) == 4


@pytest.mark.parametrize("prompted", [1], indirect=True)
def test_a_reply_streams(prompted: Any) -> None:
    model, artifact = prompted
    whole = model.run("go-on", prompt="d e f")["reply"]
    assert "".join(artifact.stream(prompt="d e f")) == whole
    assert "".join(model.stream("go-on", prompt="d e f")) == whole


@pytest.mark.parametrize(("prompt", "outcome"), [(("prompt",), "pass"), ((), "fail"), (("memory",), "fail")])
def test_conformance_holds_a_prefill_to_its_declaration(prompt: tuple[str, ...], outcome: str) -> None:
    report = check_plugin(Plugin(prompt=prompt))
    assert [result.outcome for result in report.results if result.check == "generation"] == [outcome]
