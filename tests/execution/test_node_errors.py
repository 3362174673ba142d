"""A node that gives what its type does not say is named, and not the one that fails at it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from composer_core.widths import Linear

import composer
from composer.execution.node_errors import NodeError
from composer.language import Source
from composer.types import States

DOCUMENT = """\
composer: 1
modules:
  wide: {uses: core.linear, with: {input_dim: 4, output_dim: 6}}
  norm: {uses: core.layer_norm, with: {dim: 6}}
tasks:
  t:
    inputs: {x: {modality: array, with: {kind: states, dims: [B, N, 4]}}}
    nodes:
      made:   {call: wide, inputs: x}
      vector: {uses: core.pool, inputs: made}
      same:   {call: norm, inputs: made}
    outputs: {vector: vector, same: same}
"""


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (lambda states: states.values, r"a bare tensor, float32\[1, 2, 6\]"),
        (lambda states: States(states.values[..., :3], states.mask), r"float32\[1, 2, 3\]"),
        (lambda states: States(states.values.double(), states.mask), r"float64\[1, 2, 6\]"),
        (lambda states: States(states.values.numpy(), states.mask), "a record with a ndarray"),
        (lambda states: {"states": {}}, "a dict"),
    ],
)
def test_the_node_that_gave_something_else_is_named(
    given: Any, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = composer.load(Source("a.yaml", DOCUMENT), weights="initial")
    forward = Linear.forward

    def other(self: Linear, **values: Any) -> Any:
        return given(forward(self, **values))

    monkeypatch.setattr(Linear, "forward", other)
    with pytest.raises(
        NodeError, match=rf"node `made` .* returned {told},? for its output `states`"
    ) as caught:
        model.run("t", x=States(np.zeros((2, 4), np.float32)))
    assert "(states[B, N, 6])" in str(caught.value)
