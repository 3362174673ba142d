"""Pieces in use: a document that uses them answers, live and compiled, as one in which all is written out."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import composer_compile
import numpy as np
import pytest
import torch

from composer.execution import load
from composer.types import States
from composer.weights import save_weights

HEAD = """\
composer: 1
modules:
  narrow: {uses: core.linear, with: {input_dim: 6, output_dim: 6}}
"""
PIECES = """\
pieces:
  doubled:
    parameters: {how: mean}
    inputs: {states: "states[B, N, 6]"}
    nodes:
      both: {uses: core.concat, inputs: {first: states, second: states}}
      thin: {call: narrow, inputs: {states: both.states}}
      vector: {uses: core.pool, inputs: {states: thin.states}, with: {how: $how}}
    outputs: {states: thin.states, vector: vector.embedding}
  twice:
    inputs: {states: states}
    nodes:
      once: {piece: doubled, inputs: {states: states}}
      again: {piece: doubled, inputs: {states: once.states}, with: {how: max}}
    outputs: {vector: again.vector, first: once.vector}
"""
TASK = """\
tasks:
  t:
    inputs: {x: {modality: array, with: {kind: states, dims: [B, 3, 6]}}}
    nodes:
NODES
    outputs: {vector: VECTOR, first: FIRST}
    compile: {ranges: {batch: "1..3"}}
"""
USED = (
    HEAD
    + PIECES
    + TASK.replace("NODES", "      deep: {piece: twice, inputs: {states: x}}")
    .replace("VECTOR", "deep.vector")
    .replace("FIRST", "deep.first")
)
OUT = HEAD + TASK.replace(
    "NODES",
    """\
      both: {uses: core.concat, inputs: {first: x, second: x}}
      thin: {call: narrow, inputs: {states: both.states}}
      vector: {uses: core.pool, inputs: {states: thin.states}}
      more: {uses: core.concat, inputs: {first: thin.states, second: thin.states}}
      thinner: {call: narrow, inputs: {states: more.states}}
      best: {uses: core.pool, inputs: {states: thinner.states}, with: {how: max}}""",
).replace("VECTOR", "best").replace("FIRST", "vector")


def test_a_piece_answers_as_what_it_stands_for(tmp_path: Path) -> None:
    answers = []
    x = States(np.arange(18, dtype=np.float32).reshape(3, 6) / 18, np.array([1, 1, 0]))
    for name, text in (("used", USED), ("out", OUT)):
        document = tmp_path / f"{name}.yaml"
        document.write_text(text)
        torch.manual_seed(3)
        model = load(document, weights="initial")
        answers.append(model.run("t", x=x))
    assert list(model.modules) == ["narrow"]
    for port in ("vector", "first"):
        assert np.array_equal(answers[0][port], answers[1][port])


@pytest.mark.parametrize(
    "backend",
    [
        "export",
        pytest.param(
            "inductor",
            marks=[
                pytest.mark.slow,
                pytest.mark.skipif(shutil.which("g++") is None, reason="there is no C++ compiler"),
                pytest.mark.filterwarnings("ignore"),
            ],
        ),
    ],
)
def test_an_artifact_of_pieces_names_nodes_by_path(backend: str, tmp_path: Path) -> None:
    document = tmp_path / "used.yaml"
    document.write_text(USED)
    torch.manual_seed(3)
    model = load(document, weights="initial")
    save_weights(model.modules, tmp_path / "weights.safetensors")
    options = composer_compile.Options(backend=backend)
    composer_compile.compile_document(
        document, tmp_path / "artifact", weights=tmp_path / "weights.safetensors", options=options
    )
    artifact = composer_compile.load(tmp_path / "artifact")
    x = States(np.arange(18, dtype=np.float32).reshape(3, 6) / 18, np.array([1, 1, 0]))
    assert np.allclose(artifact.run("t", x=x)["vector"], model.run("t", x=x)["vector"], atol=1e-6)
    assert "deep/again/thin" in json.dumps(json.loads((tmp_path / "artifact" / "manifest.json").read_text()))
