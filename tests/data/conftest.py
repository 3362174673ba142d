"""A document that sorts points by colour, in an empty folder: small enough to be trained in a moment."""

from __future__ import annotations

from pathlib import Path

import pytest

POINTS = """\
composer: 1
name: points
modules:
  head: {uses: core.linear, with: {input_dim: 2, output_dim: 2}}
tasks:
  sort:
    inputs: {point: {modality: array, with: {kind: embedding, dims: [B, 2]}}}
    nodes:
      scores: {call: head.scores, inputs: point}
      best: {uses: core.argmax, with: {names: [red, blue]}, inputs: scores}
    outputs: {color: best.name}
    objective:
      inputs: {truth: {modality: label, with: {names: [red, blue]}}}
      nodes: {cost: {uses: core.class_loss, inputs: {scores: scores, classes: truth}}}
      loss: cost.loss
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with `points.yaml`."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "points.yaml").write_text(POINTS)
    return tmp_path
