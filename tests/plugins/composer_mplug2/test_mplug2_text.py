"""Text encoder, universal layers and masked heads against recorded values."""

from __future__ import annotations

import pytest
import torch
from composer_mplug2.configs import SoftTokenLossConfig
from composer_mplug2.losses import build_masked_loss

from composer.types import States, Tokens

KINDS = ("text", "text_uni1")


def tokens_of(case, ids="ids") -> Tokens:
    return Tokens(case.inputs[ids], case.inputs["mask"])


@pytest.mark.parametrize("kind", KINDS)
def test_every_layer(golden, close, outputs_of, kind) -> None:
    case = golden(kind)
    text, universal, _ = case.modules("text", "universal", "text_head")
    own = outputs_of(text, "embeddings", *(f"layers.{n}" for n in range(len(text.layers))))
    shared = outputs_of(universal, *(f"layers.{n}" for n in range(len(universal.layers))))
    words = text(tokens=tokens_of(case))
    assert words.mask is case.inputs["mask"]
    states = universal.text(states=words)
    close(own["embeddings"], case.outputs["embeddings"], 1e-5)
    for number in range(len(text.layers)):
        close(own[f"layers.{number}"], case.outputs[f"norm.layer{number}"])
    for number in range(len(universal.layers)):
        close(shared[f"layers.{number}"], case.outputs[f"norm.layer{len(text.layers) + number}"])
    close(words.values, case.outputs["text.out"])
    close(states.values, case.outputs["norm.out"])


@pytest.mark.parametrize("kind", KINDS)
def test_token_types_and_positions_can_be_given(golden, close, kind) -> None:
    case = golden(kind)
    text, universal, _ = case.modules("text", "universal", "text_head")
    words = text(
        tokens=tokens_of(case),
        token_types=case.inputs["token_type_ids"],
        positions=case.inputs["position_ids"],
    )
    close(universal.text(states=words).values, case.outputs["typed.out"])


@pytest.mark.parametrize("kind", KINDS)
def test_no_mask_shows_everything(golden, close, kind) -> None:
    case = golden(kind)
    text, universal, _ = case.modules("text", "universal", "text_head")
    words = text(tokens=Tokens(case.inputs["ids"], None))
    close(universal.text(states=words).values, case.outputs["nomask.out"])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mask", [False, True], ids=["no mask", "mask of ones"])
def test_vision_through_the_universal_layers(golden, close, outputs_of, kind, mask) -> None:
    case = golden(kind)
    text, universal, _ = case.modules("text", "universal", "text_head")
    layers = len(universal.layers)
    seen = outputs_of(universal, *(f"layers.{n}" for n in range(layers)))
    values = case.inputs["visual_embeds"]
    ones = torch.ones(values.shape[:2], dtype=torch.int64) if mask else None
    update = universal.vision(states=States(values, ones))
    assert update.mask is ones
    close(update.values, case.outputs["v_module.out"])
    for number in range(layers):
        close(seen[f"layers.{number}"], case.outputs[f"v_module.layer{len(text.layers) + number}"])


@pytest.mark.parametrize("kind", KINDS)
def test_masked_words(golden, close, kind) -> None:
    case = golden(kind)
    text, universal, head = case.modules("text", "universal", "text_head")
    logits = head(states=universal.text(states=text(tokens=tokens_of(case, "mlm_ids"))))
    close(logits, case.outputs["mlm.logits"])
    labels, soft = case.inputs["mlm_labels"], case.inputs["soft_labels"]
    close(build_masked_loss(SoftTokenLossConfig())(logits=logits, labels=labels), case.outputs["mlm.loss"])
    mixed = build_masked_loss(SoftTokenLossConfig(alpha=0.4))
    close(mixed(logits=logits, labels=labels, soft_labels=soft), case.outputs["mlm.loss_distill_alpha0.4"])
    meant = build_masked_loss(SoftTokenLossConfig(alpha=0.4, soft_axis="vocabulary"))
    along = meant(logits=logits, labels=labels, soft_labels=soft)
    assert abs(along - case.outputs["mlm.loss_distill_alpha0.4"]) > 1e-2


def test_norms_have_the_eps_of_bert(golden) -> None:
    modules = golden("text").modules("text", "universal", "text_head")
    norms = [part for module in modules for part in module.modules() if isinstance(part, torch.nn.LayerNorm)]
    assert {norm.eps for norm in norms} == {1e-12}


def test_padding_changes_nothing(golden) -> None:
    case = golden("text")
    text, universal, _ = case.modules("text", "universal", "text_head")
    ids, mask = case.inputs["ids"][2:], case.inputs["mask"][2:]
    length = int(mask.sum())
    whole = universal.text(states=text(tokens=Tokens(ids, mask))).values[:, :length]
    alone = universal.text(states=text(tokens=Tokens(ids[:, :length], mask[:, :length]))).values
    torch.testing.assert_close(whole, alone, rtol=1e-5, atol=1e-5)


def test_hidden_vision_changes_nothing(golden) -> None:
    case = golden("text")
    _, universal, _ = case.modules("text", "universal", "text_head")
    values = case.inputs["visual_embeds"]
    mask = torch.ones(values.shape[:2], dtype=torch.int64)
    mask[:, 12:] = 0
    short = universal.vision(states=States(values[:, :12])).values
    padded = universal.vision(states=States(values, mask)).values[:, :12]
    torch.testing.assert_close(padded, short, rtol=1e-5, atol=1e-5)
