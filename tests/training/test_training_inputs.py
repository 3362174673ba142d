"""A sample is refused as a request is: in the words of a live model, after the sample's own name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

import composer
from composer.execution import Model
from composer.execution.inputs import host_inputs
from composer.language import Source
from composer.plan import plan_objective
from composer.problems import ComposerError, InputError
from composer.training.encoding import encode
from composer.types import States, Tokens

DOCUMENT = """\
composer: 1
modules:
  text: {uses: mplug2.text_encoder, with: {hidden: 8, heads: 2, layers: 1, vocabulary: 30, positions: 6}}
  classes: {uses: core.linear, with: {output_dim: 3}}
tasks:
  t:
    inputs:
      ids: {modality: array, with: {kind: tokens, dims: [B, L]}}
      extra: {modality: array, with: {kind: states, dims: [B, 5, 8]}}
    nodes:
      words: {call: text, inputs: {tokens: ids.tokens}}
      both: {uses: core.concat, inputs: {first: words.states, second: extra.states}}
      vector: {uses: core.pool, inputs: {states: both.states}}
      scores: {call: classes.scores, inputs: {embedding: vector.embedding}}
    outputs: {scores: scores.scores}
    objective:
      inputs: {target: {modality: array, with: {kind: classes, dims: [B]}}}
      nodes: {loss: {uses: core.class_loss, inputs: {scores: scores.scores, classes: target.classes}}}
      loss: loss
"""
ONES = np.ones(3, np.int64)
RIGHT: dict[str, Any] = {"ids": Tokens(ONES, ONES), "extra": States(np.zeros((5, 8)))}
FAULTS: Sequence[Mapping[str, Any]] = (
    {"ids": ONES},
    {"ids": Tokens(ONES / 2, ONES)},
    {"ids": Tokens(np.ones(7), np.ones(7))},
    {"ids": "a word"},
    {"extra": np.zeros((5, 8))},
    {"extra": States(np.array([["a"] * 8] * 5))},
    {"extra": States(np.zeros((1, 5, 8)))},
    {"extra": States(np.zeros((5, 8)), np.ones((5, 8)))},
)


@pytest.fixture(scope="module")
def model() -> Model:
    return composer.load(composer.check(Source("t.yaml", DOCUMENT)), weights="initial")


@pytest.mark.parametrize("fault", FAULTS, ids=range(len(FAULTS)))
def test_a_sample_is_refused_in_the_words_of_a_request(model: Model, fault: Mapping[str, Any]) -> None:
    with pytest.raises(InputError) as refused:
        model.run("t", **{**RIGHT, **fault})
    plan = plan_objective(model.report.tasks["t"])
    inputs = host_inputs(plan, model.report.registry.kinds)
    ((name, value),) = fault.items()
    with pytest.raises(ComposerError) as told:
        encode(inputs, name, [RIGHT[name], value], "sample {}".format)
    assert str(told.value) == f"sample 1: {refused.value}"
