"""The vision encoder against recorded clips and pictures."""

from __future__ import annotations

import pytest
import torch
from composer_mplug2.configs import VisionConfig
from composer_mplug2.local_temporal import LocalTemporal
from composer_mplug2.stems import PatchStem
from composer_mplug2.vision_encoder import build_vision_encoder
from operators import Operators

NORM_EPS = 1e-5


@pytest.mark.parametrize("kind", ["visual", "visual_tdown"])
@pytest.mark.parametrize("medium", ["video", "image"])
def test_every_step_of_the_recorded_encoder(golden, close, outputs_of, kind, medium) -> None:
    case = golden(kind)
    (vision,) = case.modules("vision")
    watched = ["stem", "norm_before", "layers.0", "layers.1"]
    watched += [f"layers.0.{part}" for part in ("temporal_before_attention", "attention", "feed_forward")]
    watched += ["layers.0.temporal_before_feed_forward"]
    seen = outputs_of(vision, *watched)
    states = vision(pixels=case.inputs[medium])
    recorded = {name.removeprefix(f"{medium}."): value for name, value in case.outputs.items()}
    assert states.mask is None
    close(states.values, recorded["out"])
    close(seen["stem"], recorded["conv1"].flatten(3).permute(0, 2, 3, 1))
    close(seen["norm_before"], recorded["ln_pre"])
    close(seen["layers.0"], recorded["block0"].transpose(0, 1))
    close(seen["layers.1"], recorded["block1"].transpose(0, 1))
    close(seen["layers.0.attention"], recorded["block0.attn"].transpose(0, 1))
    close(seen["layers.0.feed_forward"], recorded["block0.mlp"].transpose(0, 1))
    for place, name in (("attention", "ltm1"), ("feed_forward", "ltm2")):
        ours = seen[f"layers.0.temporal_before_{place}"][:, 1:]
        clip = recorded[f"block0.{name}"]  # [B, D, T, h, w]
        close(ours, clip.permute(0, 2, 3, 4, 1).flatten(2, 3).flatten(0, 1))


def test_without_local_temporal_modules_it_is_the_recorded_picture_encoder(golden, close) -> None:
    case = golden("visual")
    (vision,) = case.modules("vision", local_temporal=False)
    close(vision(pixels=case.inputs["image"]).values, case.outputs["image2d.out"])
    # ... whose projection, which no task uses, is still what the layout says it is
    assert not any("temporal" in name for name, _ in vision.named_parameters())


def test_without_blocks_the_patches_keep_their_places() -> None:
    """A stack that comes after them may be all that there is."""
    vision = build_vision_encoder(VisionConfig(image_size=8, patch_size=4, width=8, heads=2, layers=0))
    pixels = torch.randn(2, 3, 1, 8, 8)
    patches = vision.stem(pixels)[:, 0]
    placed = torch.cat((vision.class_embedding.expand(2, 1, -1), patches), dim=1) + vision.positions
    expected = vision.norm_after(vision.norm_before(placed))
    torch.testing.assert_close(vision(pixels=pixels).values, expected)


@pytest.mark.parametrize("kind", ["videoqa", "imageqa", "videocaption", "imagecaption"])
def test_the_states_of_the_whole_models(golden, close, outputs_of, kind) -> None:
    case = golden(kind)
    has_adapter = case.config["bert"]["hidden_size"] != case.config["clip"]["vision_width"]
    names = ["vision", "visual_norm", "universal", *(["adapter"] if has_adapter else [])]
    vision, visual_norm, universal, *rest = case.modules(*names)
    seen = outputs_of(vision, "layers.0")
    layers = outputs_of(universal, *(f"layers.{n}" for n in range(2)))
    states = vision(pixels=case.inputs["video"])
    close(states.values, case.outputs["visual.out"])
    close(seen["layers.0"], case.outputs["visual.block0"].transpose(0, 1))
    if rest:
        projected = outputs_of(rest[0], "projection")
        states = rest[0](states=states)
        close(projected["projection"], case.outputs["visn_fc"])
        close(states.values, case.outputs["visn_layer_norm"])
    update = universal.vision(states=states)
    first = case.config["bert"]["text_encoder_layers"] - 2
    close(layers["layers.0"], case.outputs[f"uni.layer{first}"])
    close(layers["layers.1"], case.outputs[f"uni.layer{first + 1}"])
    close(update.values, case.outputs["uni.out"])
    close(visual_norm(states=states, update=update).values, case.outputs["image_embeds"])


def test_norms_have_the_eps_of_clip(golden) -> None:
    (vision,) = golden("visual").modules("vision")
    found = {module.eps for module in vision.modules() if isinstance(module, torch.nn.LayerNorm)}
    assert found == {NORM_EPS}


def test_a_clip_of_equal_frames_differs_from_its_picture_only_at_its_ends(golden) -> None:
    """Zeros stand beyond both ends of a clip: its first frame has another neighbourhood than the ones inside."""
    case = golden("visual")
    (vision,) = case.modules("vision")
    still = case.inputs["image"].expand(-1, -1, 5, -1, -1)
    reduced = vision.layers[0].temporal_before_attention
    hidden = vision.norm_before(vision.stem(still).flatten(0, 1))
    frames = reduced(hidden, frames=5).unflatten(0, (-1, 5))
    torch.testing.assert_close(frames[:, 1], frames[:, 3])
    assert not torch.allclose(frames[:, 0], frames[:, 2], atol=1e-3)


@pytest.mark.parametrize("frames", [1, 2, 3, 6])
def test_neighbours_are_mixed_the_same_with_and_without_gradients(frames: int) -> None:
    torch.manual_seed(frames)
    module = LocalTemporal(width=16)
    torch.nn.init.normal_(module.restore.weight)
    hidden = torch.randn(2 * frames, 5, 16)
    with torch.enable_grad():
        expected = module(hidden, frames=frames)
        expected.sum().backward()
    assert module.taps.grad is not None
    before = hidden.clone()
    with torch.no_grad(), Operators() as operations:
        found = module(hidden, frames=frames)
    assert torch.equal(found, expected)
    assert torch.equal(hidden, before)
    assert not any("pad" in name for name in operations.seen)


@torch.enable_grad()
def test_patches_are_a_matrix_product_of_the_convolutions_weights() -> None:
    torch.manual_seed(0)
    stem = PatchStem(width=12, patch_size=4)
    pixels = torch.randn(2, 3, 5, 8, 16)
    with Operators() as operations:
        found = stem(pixels)
    assert not any("convolution" in name for name in operations.seen)
    assert found.is_contiguous()
    expected = stem.projection(pixels).permute(0, 2, 3, 4, 1).flatten(2, 3)
    torch.testing.assert_close(found, expected)
    weight = stem.projection.weight
    (ours,) = torch.autograd.grad(found.square().sum(), weight)
    (theirs,) = torch.autograd.grad(expected.square().sum(), weight)
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-3)


@torch.no_grad()
def test_in_bfloat16_nothing_is_cast(golden) -> None:
    """A norm reckons in float32 by itself: casts around it would be kernels of their own."""
    case = golden("visual")
    (vision,) = case.modules("vision")
    pixels = case.inputs["video"].to(torch.bfloat16)
    vision.to(torch.bfloat16)
    with Operators() as operations:
        states = vision(pixels=pixels)
    assert states.values.dtype is torch.bfloat16
    assert "aten.native_layer_norm.default" in operations.seen or "aten.layer_norm.default" in operations.seen
    casts = [name for name in operations.seen if name in ("aten._to_copy.default", "aten.to.dtype")]
    assert len(casts) <= 1  # the mask of class tokens, which is made of whole numbers
