"""Values of inputs that are texts where numbers are read."""

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
    inputs: {x: {modality: array, with: {kind: embedding, dims: [B, 2]}}}
    nodes: {}
    outputs: {x: x}
"""


@pytest.mark.parametrize("value", [np.array(["a", "b"]), ["a", "b"], np.array([b"a", None], object)])
def test_texts_where_numbers_are_read_are_one_sentence(value) -> None:
    model = composer.load(composer.check(Source("d.yaml", DOCUMENT)), weights="initial")
    with pytest.raises(InputError, match=r"input `x` takes numbers, and texts were given|takes an array"):
        model.run(x=value)
