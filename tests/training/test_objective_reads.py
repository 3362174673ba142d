"""An objective may read as tokens what its own text nodes wrote."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from composer.cli import main

DOCUMENT = """\
composer: 1
name: told
modules:
  text:    {uses: mplug2.text_encoder, with: {hidden: 8, heads: 2, layers: 1, vocabulary: 13, positions: 24}}
  decoder:
    uses: mplug2.text_decoder
    with:
      {hidden: 8, heads: 2, layers: 1, vocabulary: 13, positions: 24, tokenizer: words.txt, start: 2, end: 3, pad: 0}
tasks:
  say:
    inputs: {asked: {modality: text, with: {tokenizer: words.txt, max_tokens: 12}}}
    nodes:
      words: {call: text, inputs: asked}
      reply: {generate: decoder, inputs: {memory: words}, with: {max_tokens: 4}}
    outputs: {reply: reply.text}
    objective:
      inputs: {said: {modality: string}, more: {modality: string}}
      nodes:
        both: {uses: core.text_template, inputs: {a: said.text, b: more.text}, with: {template: "{a} {b}"}}
        read: {modality: text, inputs: both.text, with: {tokenizer: words.txt, max_tokens: 12}}
        predicted: {call: decoder, inputs: {memory: words, tokens: read.tokens}}
        cost: {uses: core.text_loss, inputs: {logits: predicted.logits, tokens: read.tokens}}
      loss: cost
"""


def test_an_objective_reads_what_its_own_nodes_wrote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("words.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefgh"]))
    Path("told.yaml").write_text(DOCUMENT)
    rows = [{"asked": "a b", "said": "c", "more": "d e"}, {"asked": "f", "said": "g h a", "more": "b"}]
    Path("rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    command = "train told.yaml --data rows.jsonl --out out --epochs 30 --learning-rate 0.01"
    assert main(command.split()) == 0
    curve = [epoch["losses"]["say"] for epoch in json.loads(Path("out.json").read_text())["curve"]]
    assert curve[-1] < 0.75 * curve[0]
