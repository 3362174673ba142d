"""Inputs that are no arrays of numbers with a batch in front: texts, and one number for all samples."""

from __future__ import annotations

import numpy as np
import pytest

import composer
from composer.language import Source
from composer.problems import InputError

DOCUMENT = """
composer: 1
tasks:
  t:
    inputs:
      said: {modality: array, with: {kind: text, dims: [B]}}
      scale: {modality: array, with: {kind: scalar}}
      x: {modality: array, with: {kind: embedding, dims: [B, 2]}}
    nodes: {}
    outputs: {said: said, scale: scale, x: x}
"""
GIVEN = {"said": "hi", "scale": 2.0, "x": [1.0, 2.0]}


@pytest.fixture(scope="module")
def model():
    return composer.load(composer.check(Source("d.yaml", DOCUMENT)), weights="initial")


def test_a_text_comes_out_as_it_went_in_and_a_scalar_has_no_sample(model) -> None:
    answer = model.run(**{**GIVEN, "x": np.ones(2, "float32")})
    assert (answer["said"], float(answer["scale"]), answer["x"].tolist()) == ("hi", 2.0, [1.0, 1.0])
    several = model.run(said=["a", "b"], scale=np.float32(3), x=[np.ones(2)] * 2)
    assert (several["said"], float(several["scale"])) == (["a", "b"], 3.0)
    assert several["x"].shape == (2, 2)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("said", 3, "input `said` takes texts, and numbers were given"),
        ("x", np.array(["a", "b"]), "input `x` takes numbers, and texts were given"),
        ("scale", [1.0, 2.0], "input `scale` is one value for the whole batch, not a list"),
        ("scale", np.ones(3), r"a scalar is one number for all samples, not an array of shape \(3,\)"),
        ("scale", "x", "a scalar is one number for all samples, not 'x'"),
    ],
)
def test_another_value_is_one_sentence(model, name: str, value, message: str) -> None:
    with pytest.raises(InputError, match=message):
        model.run(**{**GIVEN, "x": np.ones(2), name: value})
