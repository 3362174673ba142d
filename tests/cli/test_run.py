"""`composer run`: what is printed, and one clear error for everything that cannot be run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

SPEAKING = """\
composer: 1
name: speaking
modules:
  text: {uses: mplug2.text_encoder, with: {hidden: 16, heads: 2, layers: 1}}
  decoder: {uses: mplug2.text_decoder, with: {hidden: 16, heads: 2, layers: 1}}
tasks:
  embed:
    inputs:
      question: {modality: text, with: {tokenizer: bert-uncased, max_tokens: 20}}
    nodes:
      words: {call: text, inputs: {tokens: question.tokens}}
      vector: {uses: core.pool, inputs: {states: words.states}}
    outputs:
      vector: vector.embedding
      words: words.states
  reply:
    inputs:
      question: {modality: text, with: {tokenizer: bert-uncased, max_tokens: 20}}
    nodes:
      words: {call: text, inputs: {tokens: question.tokens}}
      answer: {generate: decoder, inputs: {memory: words.states}, with: {beams: 1, max_tokens: 4}}
    outputs:
      answer: answer.text
"""


@pytest.fixture
def speaking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    Path("speaking.yaml").write_text(SPEAKING)
    return "speaking.yaml"


INITIAL = ("--weights", "initial")


def test_several_outputs_are_named(composer, speaking: str) -> None:
    done = composer("run", f"{speaking}:embed", *INITIAL, "question=hello there")
    assert (done.code, done.err) == (0, "")
    assert [line.split(": ")[0] for line in done.out.splitlines()] == ["vector", "words"]


def test_json_holds_every_output_with_its_shape(composer, speaking: str) -> None:
    done = composer("run", f"{speaking}:embed", *INITIAL, "--json", "question=hello there")
    outputs = json.loads(done.out)
    assert len(outputs["vector"]) == 16
    assert [len(outputs["words"]["values"]), len(outputs["words"]["mask"])] == [
        4,
        4,
    ]  # [CLS] hello there [SEP]


def test_a_single_output_is_printed_bare_and_streams_as_the_same_text(composer, speaking: str) -> None:
    import torch

    torch.manual_seed(0)
    whole = composer("run", f"{speaking}:reply", *INITIAL, "question=hello there")
    torch.manual_seed(0)
    streamed = composer("run", f"{speaking}:reply", *INITIAL, "question=hello there", "--stream")
    assert (whole.code, streamed.code) == (0, 0)
    assert whole.out == streamed.out
    assert ":" not in whole.out.split()[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["speaking.yaml", *INITIAL, "question=hi"], "several tasks"),
        (["speaking.yaml:embde", *INITIAL, "question=hi"], "did you mean `embed`?"),
        (["speaking.yaml:embed", *INITIAL], "needs the input `question`"),
        (["speaking.yaml:embed", *INITIAL, "question=hi", "picture=x.png"], "has no input `picture`"),
        (["speaking.yaml:embed", *INITIAL, "question=hi", "--stream"], "nothing to stream"),
        (["speaking.yaml:embed", *INITIAL, "question=hi", "--device", "gpu"], "is no device"),
        (["speaking.yaml:embed", "question=hi"], "ships no weights"),
        (["speaking.yaml:embed", "question=hi", "--weights", "gone.safetensors"], "gone.safetensors"),
        (["speaking.yaml:embed", *INITIAL, "question=hi", "--layout", "mplug3"], "layout"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_what_cannot_be_run_is_one_line(composer, speaking: str, arguments: list[str], message: str) -> None:
    done = composer("run", *arguments)
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("composer: error: ")
    assert message in done.err
    assert "Traceback" not in done.err


def test_a_document_with_errors_is_not_run(composer, speaking: str) -> None:
    Path(speaking).write_text(SPEAKING.replace("heads: 2", "head: 2"))
    done = composer("run", f"{speaking}:embed", *INITIAL, "question=hi")
    assert (done.code, done.out) == (1, "")
    assert "error[C101]" in done.err


@pytest.mark.parametrize(
    "arguments", [["run"], ["run", "x.yaml:y", "question"], ["run", "x.yaml:y", "--dtype", "int8"]]
)
def test_wrong_usage(composer, arguments: list[str]) -> None:
    assert composer(*arguments).code == 2
