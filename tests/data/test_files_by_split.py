"""Files that are given by split, and nothing besides: the recipe that is written for them can be read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from composer.cli import main

DOCUMENT = """\
composer: 1
name: sort
modules: {head: {uses: core.linear, with: {input_dim: 2, output_dim: 2}}}
tasks:
  sort:
    inputs: {point: {modality: array, with: {kind: embedding, dims: [B, 2]}}}
    nodes:
      scores: {call: head.scores, inputs: point}
      best: {uses: core.argmax, inputs: scores, with: {names: [low, high]}}
    outputs: {side: best.name}
    objective:
      inputs: {truth: {modality: label, with: {names: [low, high]}}}
      nodes: {cost: {uses: core.class_loss, inputs: {scores: scores, classes: truth}}}
      loss: cost
    evaluation: {output: side}
"""


def test_files_of_two_splits_train_and_are_scored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("sort.yaml").write_text(DOCUMENT)
    for split, start in (("train", 0.5), ("test", 0.7)):
        rows = [
            {"point": [s * (start + n), 1.0], "truth": t}
            for n in range(6)
            for s, t in ((-1, "low"), (1, "high"))
        ]
        Path(f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    data = "--data train=train.jsonl --data test=test.jsonl"
    assert main(f"train sort.yaml {data} --epochs 20 --learning-rate 0.1".split()) == 0
    assert json.loads(Path("sort.json").read_text())["scores"]["test"]["sort"]["exact_match"] == 1.0
    assert main(f"train sort.yaml {data} --write-recipe again.yaml".split()) == 0
    assert main(["check", "again.yaml"]) == 0
