"""Answers by name: an artifact gives what the live model gives, without the file of names."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from composer_compile import compile_document, load

from composer.execution import Model

DOCUMENT = """\
composer: 1
name: sorting
modules:
  head: {uses: core.linear, with: {input_dim: 4, output_dim: 3}}
  pair: {uses: core.contrastive}
tasks:
  sort:
    inputs:
      x: {modality: array, with: {kind: embedding, dims: [B, 4]}}
      y: {modality: array, with: {kind: embedding, dims: [B, 4]}}
    nodes:
      a: {uses: core.activation, inputs: {embedding: x.embedding}, with: {of: embedding}}
      d: {uses: core.dropout, inputs: {embedding: a.embedding}, with: {of: embedding}}
      s: {call: head.scores, inputs: {embedding: d.embedding}}
      p: {uses: core.softmax, inputs: {scores: s.scores}}
      best: {uses: core.top_k, inputs: {probabilities: p.probabilities}, with: {k: 2, names: names.txt}}
      one: {uses: core.argmax, inputs: {scores: s.scores}, with: {names: names.txt}}
      near: {call: pair.scores, inputs: {queries: d.embedding, candidates: y.embedding}}
    outputs: {best: best.best, name: one.name, near: near.scores}
"""


def test_an_artifact_answers_by_name(tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("cat\ndog\nowl\n")
    (tmp_path / "d.yaml").write_text(DOCUMENT)
    models: list[Model] = []
    compile_document(tmp_path / "d.yaml", tmp_path / "out", weights="initial", loaded=models.append)
    (tmp_path / "names.txt").unlink()
    (tmp_path / "d.yaml").unlink()
    moved = (tmp_path / "out").rename(tmp_path / "moved")
    values = list(torch.randn(3, 4, generator=torch.Generator().manual_seed(0)))
    expected = models[0].run("sort", x=values, y=values)
    found = load(moved).run("sort", x=values, y=values)
    torch.testing.assert_close(found["near"], expected["near"])
    assert found["name"] == expected["name"]
    for ours, theirs in zip(found["best"], expected["best"], strict=True):
        assert [entry["name"] for entry in ours] == [entry["name"] for entry in theirs]
        chances = [entry["probability"] for entry in theirs]
        assert [entry["probability"] for entry in ours] == pytest.approx(chances, abs=1e-6)
        assert {entry["name"] for entry in ours} < {"cat", "dog", "owl"}
