"""A prompt with media in it is trained on as it is run: it counts the values of another input of the same samples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import composer
from composer.problems import ComposerError
from composer.training import train_document
from composer.types import States

DOCUMENT = """\
composer: 1
name: points
modules:
  text: {uses: mplug2.text_encoder, with: {hidden: 4, heads: 2, layers: 1}}
  head: {uses: core.linear, with: {output_dim: 2}}
tasks:
  sort:
    inputs:
      x: {modality: array, with: {kind: states, dims: [B, 5, 4]}}
      prompt: {modality: prompt, with: {template: "{x} {words}", tokenizer: bert-uncased, media: {x: 5}}}
    nodes:
      words: {call: text, inputs: {tokens: prompt.tokens}}
      mixed: {uses: core.fill, inputs: {text: words, media: x, places: prompt.x}}
      vector: {uses: core.pool, inputs: mixed.states}
      scores: {call: head.scores, inputs: vector}
    outputs: {scores: scores}
    objective:
      inputs: {truth: {modality: array, with: {kind: classes, dims: [B]}}}
      nodes: {cost: {uses: core.class_loss, inputs: {scores: scores, classes: truth}}}
      loss: cost.loss
"""
RECIPE = """\
epochs: 2
learning_rate: 5e-2
tasks:
  sort:
    dataset: tiny.points
    with: {fault: "FAULT"}
    fields: {prompt: name}
    batch: 4
    output: scores
    reference: truth
    metrics: {accuracy: tiny.accuracy}
"""


def _write(folder: Path, fault: str = "") -> Path:
    (folder / "points.yaml").write_text(DOCUMENT)
    (folder / "recipe.yaml").write_text(RECIPE.replace("FAULT", fault))
    return folder / "points.yaml"


def test_the_check_and_the_run_know_how_many_values_a_sample_has(points: Path) -> None:
    document = _write(points)
    train_document(document, recipe=points / "recipe.yaml", out=points / "trained")
    model = composer.load(document, weights=points / "trained.safetensors")
    answer = model.run("sort", x=States(np.zeros((5, 4), np.float32), None), prompt="s1")
    assert answer["scores"].shape == (2,)


def test_a_number_that_is_not_finite_is_still_found_in_the_other_input(points: Path) -> None:
    document = _write(points, "nan")
    said = r"`sort` is nan in epoch 1.*sample 15 \(`s15`\).*not finite in its field `x`"
    with pytest.raises(ComposerError, match=said):
        train_document(document, recipe=points / "recipe.yaml", out=points / "trained")


def test_without_metrics_nothing_is_answered_to_be_scored(points: Path) -> None:
    document = _write(points)
    recipe = (points / "recipe.yaml").read_text()
    (points / "recipe.yaml").write_text(recipe.replace("{accuracy: tiny.accuracy}", "{}"))
    record = train_document(document, recipe=points / "recipe.yaml", out=points / "trained")
    assert record["scores"] == {}
