"""A document that sorts vectors into three classes, with weights that are right most of the time, and its rows."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from composer.execution import Model, load
from composer.weights import save_weights

DOCUMENT = """\
composer: 1
name: sorting
modules:
  head: {uses: core.linear, with: {input_dim: 4, output_dim: 3}}
tasks:
  sort:
    inputs: {vector: {modality: array, with: {kind: embedding, dims: [B, 4]}}}
    nodes: {scores: {call: head.scores, inputs: vector}}
    outputs: {scores: scores}
    objective:
      inputs: {truth: {modality: array, with: {kind: classes, dims: [B]}}}
      nodes: {cost: {uses: core.class_loss, inputs: {scores: scores, classes: truth}}}
      loss: cost.loss
    compile: {ranges: {batch: "1..8, best 4"}}
"""


@dataclass(frozen=True)
class Sorting:
    """The document, its weights and rows, in one folder."""

    folder: Path
    document: Path
    weights: Path
    rows: Path

    def load(self, weights: Path | None = None) -> Model:
        return load(self.document, weights=weights or self.weights)

    @property
    def text(self) -> str:
        """The command that evaluates it."""
        return f"evaluate {self.document} --weights {self.weights} --data {self.rows}"


@pytest.fixture(scope="session")
def sorting(tmp_path_factory: pytest.TempPathFactory) -> Sorting:
    """Sixty rows, `id` and `truth` beside the vector."""
    folder = tmp_path_factory.mktemp("sorting")
    document, weights, rows = (folder / n for n in ("sorting.yaml", "w.safetensors", "rows.jsonl"))
    document.write_text(DOCUMENT)
    random = np.random.default_rng(0)
    model = load(document, weights="initial")
    state = model.modules["head"].state_dict()
    for name, tensor in state.items():
        state[name] = torch.eye(*tensor.shape) if tensor.ndim == 2 else torch.zeros_like(tensor)
    model.modules["head"].load_state_dict(state)
    save_weights(model.modules, weights)
    with rows.open("w") as file:
        for number in range(60):
            truth = int(random.integers(0, 3))
            vector = random.normal(size=4) + 1.5 * np.eye(4)[truth]
            told = {"id": f"v{number}", "vector": vector.round(4).tolist(), "truth": truth}
            file.write(json.dumps(told) + "\n")
    return Sorting(folder, document, weights, rows)
