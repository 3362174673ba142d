"""Checkpoints of language models as they were written over the years: each fills every parameter."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import save_file
from tiny_folders import save_folder, save_tokenizer, tiny_model

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


def test_the_language_model_inside_a_model_of_pictures_is_read_from_its_folder(tmp_path: Path) -> None:
    """As gemma3 is published: sizes in `text_config`, where the library's defaults are left out, ends in the whole."""
    torch.manual_seed(5)
    text = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "head_dim": 8}
    whole: dict[str, Any] = {"eos_token_id": [2, 5]}
    config = transformers.Gemma3Config(
        text_config={**text, "vocab_size": 100, "sliding_window": 3},
        vision_config={
            "hidden_size": 32,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "intermediate_size": 32,
            "image_size": 28,
            "patch_size": 14,
        },
        mm_tokens_per_image=4,
        **whole,
    )
    theirs = transformers.Gemma3ForConditionalGeneration(config).eval()
    theirs.save_pretrained(tmp_path / "model")
    save_tokenizer(tmp_path / "model")
    path = tmp_path / "model" / "config.json"
    written = json.loads(path.read_text())
    written["text_config"] = {**text, "model_type": "gemma3_text", "vocab_size": 100, "sliding_window": 3}
    path.write_text(json.dumps(written))
    (tmp_path / "model" / "generation_config.json").unlink(missing_ok=True)
    (tmp_path / "a.yaml").write_text(DOCUMENT)
    model = composer.load(tmp_path / "a.yaml")
    found = model.run("read", text="w5 w6 w7 w8 w9")["logits"]
    with torch.no_grad():
        wanted = theirs(input_ids=torch.tensor([[9, 10, 11, 12, 13]])).logits[0]
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)
    config_of_ours: Any = model.report.modules["lm"].config
    vocabulary = config_of_ours.vocabulary()
    assert (vocabulary.end, vocabulary.stop) == (2, (5,))
