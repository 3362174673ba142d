"""A plugin's search, with options of its own and a seed for each call, on a decoder that knows nothing of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import composer_compile
import pytest
import torch
from composer_compile.runtime.artifact import Artifact
from sampling import sampling_plugin
from word_list import WORDS

from composer.execution import Model, load
from composer.graph import check
from composer.plugin import Registry, load_registry
from composer.problems import InputError
from composer.weights import save_weights

DOCUMENT = """\
composer: 1
name: sampled
parameters: {temperature: 1.5}
modules:
  text: {uses: mplug2.text_encoder, with: {hidden: 16, heads: 2, layers: 1, vocabulary: 35, positions: 9}}
  decoder:
    uses: mplug2.text_decoder
    with:
      {hidden: 16, heads: 2, layers: 1, vocabulary: 35, positions: 16, tokenizer: words.txt, start: 2, end: 3, pad: 0}
tasks:
  sampled:
    inputs: {question: {modality: text, with: {tokenizer: words.txt, separator: false, max_tokens: 8}}}
    nodes:
      words: {call: text, inputs: question.tokens}
      reply:
        generate: decoder
        inputs: words.states
        with: {max_tokens: 12, search: {uses: sample, with: {temperature: $temperature}}}
    outputs: {reply: reply.text, ids: reply.ids}
    compile: {ranges: {batch: "1..3, best 2", question.length: "1..8, best 5"}}
  greedy:
    inputs: {question: {modality: text, with: {tokenizer: words.txt, separator: false, max_tokens: 8}}}
    nodes:
      words: {call: text, inputs: question.tokens}
      reply: {generate: decoder, inputs: words.states, with: {max_tokens: 12}}
    outputs: {reply: reply.text, ids: reply.ids}
"""


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with sampling_plugin(tmp_path_factory.mktemp("sample")) as plugin:
        yield load_registry([("sample", plugin)])


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sampled")
    (folder / "words.txt").write_text("\n".join(WORDS) + "\n")
    (folder / "sampled.yaml").write_text(DOCUMENT)
    return folder / "sampled.yaml"


@pytest.fixture(scope="module")
def model(document: Path, registry: Registry) -> Model:
    torch.manual_seed(3)
    made = load(document, weights="initial", registry=registry)
    for module in made.modules.values():
        for parameter in module.parameters():
            parameter.data.add_(torch.randn_like(parameter) * 0.3)
    return made


@pytest.fixture(scope="module")
def artifact(
    model: Model, document: Path, registry: Registry, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Artifact]:
    folder = tmp_path_factory.mktemp("artifact")
    save_weights(model.modules, folder / "w.safetensors")
    composer_compile.compile_document(
        document, folder / "out", tasks=["sampled"], weights=folder / "w.safetensors", registry=registry
    )
    with composer_compile.load(folder / "out", registry=registry) as loaded:
        yield loaded


@pytest.fixture(params=["model", "artifact"])
def answering(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(request.param)


def ids(answering: Any, question: str | list[str] = "what is it", **options: Any) -> Any:
    return answering.run("sampled", question=question, **options)["ids"].tolist()


def test_a_seed_gives_the_same_text_again_and_another_one_another(answering: Any) -> None:
    found = {seed: ids(answering, seed=seed) for seed in range(6)}
    assert all(ids(answering, seed=seed) == found[seed] for seed in found)
    assert len(set(map(tuple, found.values()))) > 3


def test_without_a_seed_texts_differ(answering: Any) -> None:
    assert len({tuple(ids(answering)) for _ in range(8)}) > 1


def test_a_sample_draws_the_same_in_a_batch(answering: Any) -> None:
    together = ids(answering, ["what is it", "red"], seed=4)
    alone = ids(answering, "what is it", seed=4)
    assert together[0][: len(alone)] == alone


def test_the_artifact_draws_what_the_model_draws(model: Model, artifact: Artifact) -> None:
    for seed in range(4):
        assert ids(artifact, seed=seed) == ids(model, seed=seed)


def test_a_stream_draws_the_text_of_its_seed(answering: Any) -> None:
    whole = answering.run("sampled", question="red", seed=5)["reply"]
    assert "".join(answering.stream("sampled", question="red", seed=5)) == whole


def test_the_temperature_is_the_documents(document: Path, registry: Registry, model: Model) -> None:
    """Close to zero, the most probable token is drawn whatever the seed: greedy search, by the same weights."""
    cold = load(document, weights="initial", registry=registry, settings={"temperature": 1e-4})
    for name, module in cold.modules.items():
        module.load_state_dict(model.modules[name].state_dict())
    greedy = model.run("greedy", question="what is it")["ids"].tolist()
    assert {tuple(ids(cold, seed=seed)) for seed in range(4)} == {tuple(greedy)}


@pytest.mark.parametrize("seed", [-1, "7", 1.5, True, 1 << 63])
def test_what_is_no_seed_is_refused(answering: Any, seed: Any) -> None:
    with pytest.raises(InputError, match="a seed is a whole number from 0 on"):
        ids(answering, seed=seed)


def test_a_search_without_chance_takes_no_seed(model: Model) -> None:
    with pytest.raises(InputError, match="task `greedy` takes no seed"):
        model.run("greedy", question="red", seed=1)


@pytest.mark.parametrize(
    ("written", "code"),
    [("temperature: warm", "C206"), ("temprature: 1.0", "C101"), ("beams: 3", "C101")],
)
def test_the_checker_knows_its_options(document: Path, registry: Registry, written: str, code: str) -> None:
    text = DOCUMENT.replace("temperature: $temperature", written).replace("{temperature: 1.5}", "{}")
    wrong = document.with_name("wrong.yaml")
    wrong.write_text(text)
    problems = check(wrong, registry=registry).problems
    assert [problem.code for problem in problems] == [code]
    assert problems[0].place.line == 18


def test_an_input_may_be_called_seed(document: Path, registry: Registry) -> None:
    named = document.with_name("named.yaml")
    named.write_text(DOCUMENT.replace("question", "seed"))
    model = load(named, weights="initial", registry=registry)
    assert model.run("greedy", seed="what is it")["ids"][0] == 2
