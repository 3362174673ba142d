"""Numbers of a table are learned and scored: what a CSV writes as a text is a real number of the loss."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import composer
from composer.cli import main
from composer.training import train_document

DOCUMENT = """\
composer: 1
name: price
modules:
  head: {uses: core.linear, with: {input_dim: 2, output_dim: 1}}
tasks:
  guess:
    inputs: {size: {modality: array, with: {kind: embedding, dims: [B, 2]}}}
    nodes:
      raw: {call: head.scores, inputs: size}
      price: {uses: core.number, inputs: raw}
    outputs: {price: price}
    objective:
      inputs: {paid: {modality: array, with: {kind: numbers, dims: [B]}}}
      nodes: {cost: {uses: core.number_loss, inputs: {numbers: price, targets: paid}}}
      loss: cost.loss
"""


def test_numbers_of_a_table_are_learned(folder: Path) -> None:
    Path("price.yaml").write_text(DOCUMENT)
    rows = "".join(f'"[{n / 40}, {n % 5}]",{0.5 + n / 20}\n' for n in range(80))
    Path("a.csv").write_text(f"size,paid\n{rows}")
    data = {"files": "a.csv", "validation_share": 0.2}
    record = train_document("price.yaml", out="out", data=data, epochs=25, batch=16, learning_rate=0.1)
    assert record["scores"]["validation"]["guess"]["mean_error"] < 0.2
    model = composer.load("price.yaml", weights="out.safetensors")
    assert abs(float(model.run("guess", size="[1.0, 2]")["price"]) - 2.5) < 0.3


def test_a_score_that_rows_do_not_have_ends_no_training(folder: Path) -> None:
    """A correlation of numbers that are all the same: a run that began goes on, and its record has no number."""
    metrics = "    evaluation: {output: price, metrics: {r: core.pearson, error: core.mean_error}}\n"
    Path("price.yaml").write_text(DOCUMENT + metrics)
    Path("a.csv").write_text("size,paid\n" + "".join(f'"[{n}, 1]",{n}\n' for n in range(20)))
    Path("b.csv").write_text("size,paid\n" + "".join(f'"[{n}, 1]",3\n' for n in range(9)))
    data = {"files": {"train": "a.csv", "validation": "b.csv"}}
    record = train_document("price.yaml", out="out", data=data, epochs=1, learning_rate=0.01)
    scores = record["scores"]["validation"]["guess"]
    assert scores["error"] > 0
    assert json.loads(Path("out.json").read_text())["scores"]["validation"]["guess"]["r"] is None


def test_a_score_that_rows_do_not_have_stands_beside_the_others(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("price.yaml").write_text(
        DOCUMENT + "    evaluation: {output: price, metrics: {r: core.pearson, error: core.mean_error}}\n"
    )
    Path("alike.csv").write_text("size,paid\n" + "".join(f'"[{n}, 1]",3\n' for n in range(9)))
    asked = ["evaluate", "price.yaml", "--weights", "initial", "--data", "alike.csv"]
    assert main([*asked, "--out", "kept"]) == 0
    shown = capsys.readouterr().out
    assert "r: " in shown
    assert "every reference is 3" in shown
    told = json.loads(Path("kept", "report.json").read_text())["scores"]
    assert told["r"]["value"] is None
    assert "every reference is 3" in told["r"]["undefined"]
    assert told["error"]["value"] > 0
    assert main([*asked, "--metric", "core.pearson"]) == 1  # nothing at all to tell
    assert "every reference is 3" in capsys.readouterr().err
