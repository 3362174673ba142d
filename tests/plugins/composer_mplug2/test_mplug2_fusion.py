"""Fusion against recorded values: plain layers, connected layers, and several texts per picture."""

from __future__ import annotations

import pytest
import torch
from composer_mplug2.configs import FusionConfig, SoftTokenLossConfig
from composer_mplug2.fusion import build_fusion
from composer_mplug2.losses import build_masked_loss
from pydantic import ValidationError

from composer.types import States


def parts_of(case) -> dict[str, States]:
    return {
        "text": States(case.inputs["text_embeds"], case.inputs["text_mask"]),
        "vision": States(case.inputs["image_embeds"], case.inputs["image_mask"]),
    }


@pytest.mark.parametrize("kind", ["fusion", "fusion_stride"])
def test_every_layer(golden, close, outputs_of, kind) -> None:
    case = golden(kind)
    fusion, head = case.modules("fusion", "fusion_head")
    seen = outputs_of(fusion, *(f"layers.{n}" for n in range(len(fusion.layers))))
    parts = parts_of(case)
    fused = fusion(**parts)
    first = case.config["bert"]["num_hidden_layers"] - len(fusion.layers)
    assert len(fusion.layers) == case.config["bert"]["fusion_layers"]
    for number in range(len(fusion.layers)):
        close(seen[f"layers.{number}"], case.outputs[f"layer{first + number}"])
    close(fused["text"].values, case.outputs["text"])
    close(fused["vision"].values, case.outputs["image"])
    assert fused["text"].mask is parts["text"].mask
    assert fused["vision"].mask is parts["vision"].mask
    logits = head(states=fused["text"])
    close(logits, case.outputs["mlm.logits"])
    loss = build_masked_loss(SoftTokenLossConfig())(logits=logits, labels=case.inputs["labels"])
    close(loss, case.outputs["mlm.loss"])


def test_the_recorded_connected_layers(golden) -> None:
    (fusion,) = golden("fusion_stride").modules("fusion")
    assert fusion.connected == [False, False, True, False, True]
    assert [hasattr(layer, "cross_attention") for layer in fusion.layers] == [True, True, False, True, False]


@pytest.mark.parametrize("kind", ["fusion", "fusion_stride"])
@pytest.mark.parametrize("masked", [True, False])
def test_several_texts_per_picture_are_the_repeated_picture(golden, close, kind, masked) -> None:
    case = golden(kind)
    (fusion,) = case.modules("fusion")
    parts = parts_of(case)
    rows = torch.tensor([0, 1, 1])
    text = States(parts["text"].values[[0, 1, 0]], parts["text"].mask[[0, 1, 0]] if masked else None)
    vision = parts["vision"] if masked else States(parts["vision"].values)
    repeated = States(vision.values[rows], vision.mask[rows] if masked else None)
    grouped = fusion.grouped(text=text, vision=vision, counts=torch.tensor([1, 2]))
    close(grouped.values, fusion(text=text, vision=repeated)["text"].values, 1e-5)


@pytest.mark.parametrize("stride", [None, 2])
def test_no_mask_is_a_mask_of_ones(stride) -> None:
    fusion = build_fusion(FusionConfig(hidden=8, heads=2, layers=3, stride=stride)).eval()
    torch.manual_seed(0)
    text, vision = torch.randn(2, 3, 8), torch.randn(2, 4, 8)
    bare = fusion(text=States(text), vision=States(vision))
    ones = fusion(
        text=States(text, torch.ones(2, 3, dtype=torch.int64)),
        vision=States(vision, torch.ones(2, 4, dtype=torch.int64)),
    )
    half = fusion(text=States(text, torch.ones(2, 3, dtype=torch.int64)), vision=States(vision))
    for name in ("text", "vision"):
        torch.testing.assert_close(bare[name].values, ones[name].values)
        torch.testing.assert_close(bare[name].values, half[name].values)


def test_more_layers_than_the_stack_holds_are_refused() -> None:
    with pytest.raises(ValidationError, match="layers 7 cannot run out of a stack of 6"):
        FusionConfig(hidden=8, heads=2, layers=7, stack=6)
