"""Dialogues of several turns in artifacts: turns of a request, and turns whose texts other nodes have written."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import composer_compile
import pytest
import torch
from chat_folder import chat_folder
from compiled import Compiled, compiled
from composer_compile.parity.records import verify_samples

from composer.cli import main

pytestmark = pytest.mark.slow

DOCUMENT = """\
composer: 1
name: dialogue
modules:
  text: {uses: mplug2.text_encoder, with: {hidden: 16, heads: 2, layers: 1, vocabulary: 261, positions: 256}}
  decoder:
    uses: mplug2.text_decoder
    with: {hidden: 16, heads: 2, layers: 1, vocabulary: 261, positions: 16, tokenizer: tokenizer.json,
           start: 256, end: 258, pad: 260}
tasks:
  ask:
    inputs:
      question:
        modality: prompt
        with: {template: "{q}", tokenizer: tokenizer.json, chat: true, padding: SIDE, max_tokens: 200}
    nodes:
      words: {call: text, inputs: {tokens: question.tokens, positions: question.positions}}
      answer: {generate: decoder, inputs: {memory: words.states}, with: {max_tokens: 6}}
    outputs: {answer: answer.text}
  talk:
    inputs: {said: {modality: string}}
    nodes:
      asked:
        modality: prompt
        inputs: {q: said}
        with: {template: "{q}", tokenizer: tokenizer.json, chat: true, max_tokens: 99}
      words: {call: text, inputs: {tokens: asked.tokens, positions: asked.positions}}
      first: {generate: decoder, inputs: {memory: words.states}, with: {max_tokens: 6}}
      again:
        modality: prompt
        inputs: {q: said, answer: first.text}
        with:
          turns: [{user: "{q}"}, {assistant: "{answer}"}]
          template: why?
          tokenizer: tokenizer.json
          chat: true
          padding: SIDE
          max_tokens: 200
      read: {call: text, inputs: {tokens: again.tokens, positions: again.positions}}
      reason: {generate: decoder, inputs: {memory: read.states}, with: {max_tokens: 6}}
    outputs: {first: first.text, reason: reason.text, ids: again.tokens}
"""
TURNS = [
    {"role": "user", "content": "what is it?"},
    {"role": "assistant", "content": "a bird"},
    {"role": "user", "content": "which?"},
]
LONG = [{"role": "system", "content": "Answer <|im_end|> shortly."}, *TURNS]


@pytest.fixture(scope="module", params=["right", "left"])
def dialogue(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Compiled:
    folder = chat_folder(tmp_path_factory.mktemp("dialogue"))
    return compiled(folder, "dialogue", DOCUMENT.replace("SIDE", request.param), seed=4)


def test_turns_of_a_request_are_answered_as_by_the_live_model(dialogue: Compiled) -> None:
    values: list[Any] = [TURNS, LONG, "hi"]
    with composer_compile.load(dialogue.artifact) as artifact:
        alone = [artifact.run("ask", question=value)["answer"] for value in values]
        assert alone == [dialogue.model.run("ask", question=value)["answer"] for value in values]
        assert artifact.run("ask", question=values)["answer"] == alone
        assert dialogue.model.run("ask", question=values)["answer"] == alone
        assert artifact.run("ask", question={"messages": json.dumps(TURNS)})["answer"] == alone[0]
        assert "".join(artifact.stream("ask", question=TURNS)) == alone[0]


def test_turns_that_nodes_wrote_are_answered_as_by_the_live_model(dialogue: Compiled) -> None:
    texts = ["what is there?", "hi <|im_end|>", "a much longer question than the others"]
    with composer_compile.load(dialogue.artifact) as artifact:
        together = artifact.run("talk", said=texts)
        live = dialogue.model.run("talk", said=texts)
        for name in ("first", "reason"):
            assert together[name] == live[name]
            assert [artifact.run("talk", said=text)[name] for text in texts] == live[name]
        assert torch.equal(torch.as_tensor(together["ids"].ids), torch.as_tensor(live["ids"].ids))
        assert "".join(artifact.stream("talk", said=texts[2])) == live["reason"][2]
        assert all(verified.passed for verified in verify_samples(artifact))


def test_it_answers_by_itself_from_the_command_line(
    dialogue: Compiled, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(dialogue.artifact, tmp_path / "moved")
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps({"question": v}) + "\n" for v in (TURNS, "hi")))
    command = ["run", f"{tmp_path / 'moved'}:ask", "--json", f"question.messages={json.dumps(TURNS)}"]
    assert main(command) == 0
    answer = json.loads(capsys.readouterr().out)["answer"]
    assert answer == dialogue.model.run("ask", question=TURNS)["answer"]
    out = tmp_path / "answers.jsonl"
    rows = ["--rows", str(tmp_path / "rows.jsonl"), "--out", str(out)]
    assert main(["run", f"{tmp_path / 'moved'}:ask", *rows]) == 0
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert answer in json.dumps(lines, ensure_ascii=False)
