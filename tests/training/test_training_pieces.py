"""Training goes through pieces, in the task and in its objective, as through what they stand for."""

from __future__ import annotations

from pathlib import Path

import tiny_data
import torch
from safetensors.torch import load_file

from composer.training import train_document

PIECES = """\
pieces:
  sorted:
    inputs: {states: "states[B, N, 4]"}
    nodes:
      vector: {uses: core.pool, inputs: states}
      scores: {call: head.scores, inputs: vector}
    outputs: {vector: vector.embedding, scores: scores.scores}
  judged:
    inputs: {scores: scores, truth: classes}
    nodes: {cost: {uses: core.class_loss, inputs: {scores: scores, classes: truth}}}
    outputs: {loss: cost.loss}
tasks:
  sort:
    inputs: {x: {modality: array, with: {kind: states, dims: [B, 5, 4]}}}
    nodes: {seen: {piece: sorted, inputs: x}}
    outputs: {scores: seen.scores, vector: seen.vector}
    objective:
      inputs: {truth: {modality: array, with: {kind: classes, dims: [B]}}}
      nodes: {judged: {piece: judged, inputs: {scores: seen.scores, truth: truth}}}
      loss: judged.loss
"""


def trained(document: str, out: Path) -> tuple[object, dict[str, torch.Tensor]]:
    record = train_document(document, out=out, recipe="recipe.yaml", splits=())
    losses = [epoch["losses"] for epoch in record["curve"]]
    return losses, load_file(out.with_suffix(".safetensors"))


def test_a_document_of_pieces_learns_what_the_written_one_learns(points: Path) -> None:
    head = tiny_data.DOCUMENT.partition("tasks:")[0]
    (points / "used.yaml").write_text(head + PIECES)
    losses, weights = trained("points.yaml", points / "out")
    found, own = trained("used.yaml", points / "used")
    assert found == losses
    assert weights.keys() == own.keys()
    assert all(torch.equal(weights[key], own[key]) for key in weights)
