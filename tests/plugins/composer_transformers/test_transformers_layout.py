"""Checkpoints of language models as they were written over the years: each fills every parameter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from tiny_folders import save_folder, tiny_model

import composer
from composer.weights import WeightsError

DOCUMENT = """\
composer: 1
modules:
  lm: {uses: transformers.causal_lm, with: {folder: model}, weights: model}
tasks:
  read:
    inputs: {text: {modality: text, for: lm}}
    nodes: {scores: {call: lm, inputs: {tokens: text.tokens}}}
    outputs: {logits: scores}
"""


def base_only(theirs: Any) -> dict[str, torch.Tensor]:
    return dict(theirs.base_model.state_dict())


def with_the_head_twice(theirs: Any) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in theirs.state_dict().items()}


def with_computed_masks(theirs: Any) -> dict[str, torch.Tensor]:
    masks = {f"h.{layer}.attn.bias": torch.ones(1, 1, 4, 4) for layer in range(2)}
    return {**base_only(theirs), **masks}


def inside_another(theirs: Any) -> dict[str, torch.Tensor]:
    own = {f"language_model.{name}": tensor for name, tensor in theirs.state_dict().items()}
    own = {name: tensor for name, tensor in own.items() if "lm_head" not in name}
    return {**own, "vision_tower.patch.weight": torch.ones(2)}


@pytest.mark.parametrize(
    ("family", "written"),
    [
        ("llama-ropes", base_only),
        ("qwen2", with_the_head_twice),
        ("gpt2", with_computed_masks),
        ("gemma3", inside_another),
    ],
)
def test_every_form_is_read(tmp_path: Path, family: str, written: Any) -> None:
    theirs = save_folder(tmp_path / "model", family)
    tensors = {name: tensor.contiguous().clone() for name, tensor in written(theirs).items()}
    save_file(tensors, tmp_path / "model" / "model.safetensors")
    (tmp_path / "a.yaml").write_text(DOCUMENT)
    found = composer.load(tmp_path / "a.yaml").run("read", text="w5 w6 w7")["logits"]
    with torch.no_grad():
        wanted = theirs(input_ids=torch.tensor([[9, 10, 11]])).logits[0]
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)


def test_a_head_that_is_not_tied_must_be_there(tmp_path: Path) -> None:
    save_folder(tmp_path / "model", "llama")
    tensors = {name: t.clone() for name, t in tiny_model("llama").base_model.state_dict().items()}
    save_file(tensors, tmp_path / "model" / "model.safetensors")
    (tmp_path / "a.yaml").write_text(DOCUMENT)
    with pytest.raises(WeightsError, match=r"lm\.lm_head\.weight"):
        composer.load(tmp_path / "a.yaml")
