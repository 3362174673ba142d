"""Weights of adapters by name on the command line: `--weights body+one=FILE`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import composer
from composer.cli import main

DOCUMENT = """\
composer: 1
name: adapted
modules:
  body: {uses: core.linear, with: {input_dim: 4, output_dim: 2}, adapters: {one: {with: {rank: 2, targets: [map]}}}}
tasks:
  sort:
    inputs: {x: {modality: array, with: {kind: embedding, dims: [B, 4]}}}
    nodes: {y: {call: body.embedding, adapter: one, inputs: x}}
    outputs: {y: y}
"""


def test_an_adapter_has_a_file_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("adapted.yaml").write_text(DOCUMENT)
    save_file({"body.map.weight": torch.zeros(2, 4), "body.map.bias": torch.zeros(2)}, "body.safetensors")
    adapter = {"map.lora_A.weight": torch.ones(2, 4), "map.lora_B.weight": torch.ones(2, 2)}
    save_file(adapter, "one.safetensors")
    weights = ["--weights", "body.safetensors", "--weights", "body+one=one.safetensors"]
    assert main(["lock", "adapted.yaml", *weights]) == 0
    assert "wrote adapted.yaml.lock: 2 weight files" in capsys.readouterr().out
    model = composer.load(
        "adapted.yaml", weights={"*": "body.safetensors", "body+one": "one.safetensors"}, locked=True
    )
    assert model.run("sort", x=np.ones(4, np.float32))["y"].ravel().tolist() == [8.0, 8.0]
    assert main(["lock", "adapted.yaml", "--weights", "body+two=one.safetensors"]) == 1
    assert "no module `body+two`" in capsys.readouterr().err
