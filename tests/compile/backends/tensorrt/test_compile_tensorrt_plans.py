"""Features of the language in a plan for TensorRT: pieces, adapters, prompts, lengths, searches with options."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest
from adapted_tasks import write_adapted
from crossed import PAIRS
from fallbacks import fallbacks_of
from searches_of_quickstart import captions
from whole_task import write_whole

pytestmark = [
    pytest.mark.slow,
    pytest.mark.tensorrt,
    pytest.mark.skipif(find_spec("torch_tensorrt") is None, reason="Torch-TensorRT is not installed"),
]

PIECES = """\
composer: 1
modules:
  narrow: {uses: core.linear, with: {input_dim: 6, output_dim: 6}}
pieces:
  thinner:
    inputs: {states: "states[B, N, 6]"}
    nodes:
      both: {uses: core.concat, inputs: {first: states, second: states}}
      thin: {call: narrow, inputs: {states: both.states}}
    outputs: {states: thin.states}
  twice:
    inputs: {states: states}
    nodes:
      once: {piece: thinner, inputs: {states: states}}
      again: {piece: thinner, inputs: {states: once.states}}
    outputs: {states: again.states}
tasks:
  t:
    inputs: {x: {modality: array, with: {kind: states, dims: [B, 3, 6]}}}
    nodes:
      deep: {piece: twice, inputs: {states: x}}
      vector: {uses: core.pool, inputs: {states: deep.states}}
    outputs: {vector: vector}
"""
PRODUCTS = f"""\
composer: 1
modules:
  pair: {{uses: crossed.pairs}}
  weigh: {{uses: crossed.weighed}}
tasks:
{PAIRS}"""


def test_nodes_inside_pieces_with_adapters_and_before_searches_do_not_fall_back(tmp_path: Path) -> None:
    (tmp_path / "pieces.yaml").write_text(PIECES)
    searches = captions(tmp_path, "choices", "draws", "groups")
    assert fallbacks_of(tmp_path / "pieces.yaml", searches, write_adapted(tmp_path)) == []


def test_lengths_that_are_products_are_planned(tmp_path: Path) -> None:
    (tmp_path / "products.yaml").write_text(PRODUCTS)
    assert fallbacks_of(tmp_path / "products.yaml", registry="crossed:crossed_registry") == []


def test_media_in_prompts_and_texts_that_are_read_again_are_planned(tmp_path: Path) -> None:
    assert fallbacks_of(write_whole(tmp_path), registry="strided:strided_registry") == []
