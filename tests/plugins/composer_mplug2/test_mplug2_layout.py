"""The layouts: every published key and every parameter accounted for, configs read, tensors transformed."""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from composer_mplug2.transforms import inflate_time, reshape, resize_positions
from mplug2_cases import DOCUMENT, ROOT, build, golden_path
from safetensors.torch import load_file

from composer.graph import check
from composer.plugin import Registry
from composer.problems import ComposerError, InputError
from composer.weights import load_weights, plan_loading

DOCUMENTS = {
    "large_videoqa": "mplug2.yaml",
    "large_videocaption": "mplug2.yaml",
    "base_videoqa": "mplug2-base.yaml",
}


def settings_of(document: Path, registry: Registry) -> dict[str, Any]:
    """The parameters of a document as it stands."""
    return dict(check(document, registry=registry).raise_for_errors().document.parameters)


def published_shapes(name: str) -> dict[str, tuple[int, ...]]:
    """Every key of a full-size checkpoint with its shape; `{}` in a recorded key stands for a range of layers."""
    shapes: dict[str, tuple[int, ...]] = {}
    for key, shape, layers in json.loads(golden_path("state_dict_layout.json").read_text(encoding="utf-8"))[
        name
    ]:
        numbers = [None] if layers is None else range(layers[0], layers[1] + 1)
        shapes |= {key if n is None else key.format(n): tuple(shape) for n in numbers}
    return shapes


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_key_and_every_parameter_at_full_size(registry, name) -> None:
    report = check(ROOT / "graphs" / DOCUMENTS[name], registry=registry).raise_for_errors()
    layout, parameters = registry.layouts["mplug2"], dict(report.document.parameters)
    with torch.device("meta"):
        modules = build(report, report.modules)
    ours = {
        f"{m}.{n}": tuple(p.shape) for m, module in modules.items() for n, p in module.state_dict().items()
    }
    published = published_shapes(name)
    plan = plan_loading(published, ours, layout, parameters)
    assert (plan.missing, plan.unexpected, plan.claimed_twice, plan.initialised) == ((), {}, {}, {})
    assert len(plan.assignments) + len(plan.ignored) == len(published)
    for each in plan.assignments:
        tensor = torch.empty(published[each.key], device="meta")
        if each.transform is not None:
            module, _, function = layout.transforms[each.transform].partition(":")
            tensor = getattr(importlib.import_module(module), function)(tensor, ours[each.target])
        assert tuple(tensor.shape) == ours[each.target], each.key


def test_what_is_ignored_is_named_and_counted(registry) -> None:
    parameters = settings_of(ROOT / "graphs/mplug2.yaml", registry)
    published = published_shapes("large_videoqa")
    plan = plan_loading(published, [], registry.layouts["mplug2"], parameters)
    sizes: dict[str, int] = {}
    for key, reason in plan.ignored.items():
        sizes[reason] = sizes.get(reason, 0) + torch.Size(published[key]).numel()
    rounded = {reason: round(size / 1e6, 1) for reason, size in sizes.items()}
    assert rounded == {
        "position ids: the numbers from 0, not learned": 0.0,
        "CLIP's text tower: built beside the vision encoder, never called": 123.7,
        "CLIP's projection: the states are taken before it": 0.8,
        "feed-forward for vision: built, but vision goes through the shared one": 33.6,
        "latents of the decoder: built, never read": 0.1,
        "embeddings of the fusion encoder: it is given states, not ids": 31.8,
        "fusion layer that is built, but never runs": 302.3,
        "tied to the decoder's word embeddings": 31.3,
        "the same parameter as the output's own bias": 0.0,
    }


@pytest.mark.parametrize(
    "kind", ["videoqa", "visual", "visual_tdown", "text", "text_uni1", "fusion_stride", "decoder"]
)
def test_the_recorded_keys_are_all_accounted_for(golden, kind) -> None:
    case = golden(kind)
    parameters = {
        **settings_of(DOCUMENT, case.registry),
        **case.layout.parameters(case.config),
    }
    keys = list(load_file(case.folder / "weights.safetensors"))
    names = (
        "vision",
        "adapter",
        "text",
        "universal",
        "visual_norm",
        "fusion",
        "decoder",
        "text_head",
        "fusion_head",
    )
    plan = plan_loading(keys, [], case.layout, parameters, declared=names)
    assert plan.unexpected == {}
    assert len(plan.not_needed) + len(plan.ignored) == len(keys)


def test_both_spellings_of_a_key_mean_the_same(golden) -> None:
    case = golden("aux")
    parameters = settings_of(DOCUMENT, case.registry)
    names = tuple(check(DOCUMENT, registry=case.registry).modules)

    def destination(key: str) -> object:
        plan = plan_loading([key], [], case.layout, parameters, declared=names)
        assert not plan.unexpected, key
        rules = [rule for rule in case.layout.rules(parameters) if re.fullmatch(rule.pattern, key)]
        found = re.fullmatch(rules[0].pattern, key)
        assert found is not None
        return plan.ignored.get(key) or found.expand(rules[0].target)

    for before, after in case.config["key_rename"]:
        assert destination(before) == destination(after)


def test_heads_of_pre_training_are_ignored_where_the_document_has_none(registry) -> None:
    parameters = settings_of(ROOT / "graphs/mplug2.yaml", registry)
    key = "text_encoder.cls.predictions.transform.dense.weight"
    plan = plan_loading(
        [key], ["vision.positions"], registry.layouts["mplug2"], parameters, declared=["vision"]
    )
    assert plan.ignored == {key: "head of masked-word pre-training: this document has none"}


@pytest.mark.parametrize(
    "key",
    [
        "text_encoder.encoder.layer.24.output.dense.weight",
        "text_decoder.bert.encoder.layer.12.output.dense.weight",
        "fusion_encoder.encoder.layer.24.output.dense.weight",
        "text_encoder.encoder.layer.0.crossattention.self.key.weight",
        "visual_encoder.visual.ln_mid.weight",
        "vtm_head.weight",
    ],
)
def test_a_key_that_the_model_has_no_place_for_is_unexpected(registry, key) -> None:
    parameters = settings_of(ROOT / "graphs/mplug2.yaml", registry)
    assert list(plan_loading([key], [], registry.layouts["mplug2"], parameters).unexpected) == [key]


def test_momentum_twins_and_queues_are_ignored(registry) -> None:
    parameters = settings_of(ROOT / "graphs/mplug2.yaml", registry)
    keys = ["text_encoder_m.embeddings.word_embeddings.weight", "visn_fc_m.bias", "image_queue", "queue_ptr"]
    plan = plan_loading(keys, [], registry.layouts["mplug2"], parameters)
    assert set(plan.ignored) == set(keys)
    assert all("train" in reason for reason in plan.ignored.values())


def test_a_clip_checkpoint_starts_the_vision_encoder(golden) -> None:
    case = golden("visual")
    weights = load_file(case.folder / "weights.safetensors")
    clip = {key: value for key, value in weights.items() if "lmhra" not in key}
    clip["visual.conv1.weight"] = clip["visual.conv1.weight"].squeeze(2)  # CLIP sees pictures
    clip |= {
        "positional_embedding": torch.zeros(6, 16),
        "transformer.resblocks.0.ln_1.weight": torch.zeros(16),
    }
    report = check(
        DOCUMENT, registry=case.registry, settings=case.layout.parameters(case.config)
    ).raise_for_errors()
    modules = build(report, ["vision", "visual_norm"])
    layout = case.registry.layouts["mplug2-clip"]
    load_weights(
        modules, clip, layout=layout, parameters=dict(report.document.parameters), declared=report.modules
    )
    image = case.inputs["image"]
    with torch.no_grad():
        states = modules["vision"].eval()(pixels=image)
    torch.testing.assert_close(states.values, case.outputs["image2d.out"], rtol=1e-4, atol=1e-4)


def test_configs_are_read(golden) -> None:
    case = golden("videoqa")
    assert dict(case.layout.parameters(case.config)) == {
        "hidden": 48,
        "heads": 4,
        "intermediate": 64,
        "text_layers": 1,
        "universal_layers": 2,
        "fusion_layers": 2,
        "fusion_stack": 3,
        "fusion_stride": 1000,
        "decoder_layers": 2,
        "vocabulary": 128,
        "positions": 24,
        "token_types": 2,
        "dropout": 0.1,
        "attention_dropout": 0.1,
        "patch_size": 8,
        "vision_width": 128,
        "vision_layers": 2,
        "image_size": 32,
        "frames": 4,
        "temporal_downsampling": False,
        "temporal_stride": 2,
        "beams": 3,
        "answer_min_tokens": 1,
        "answer_max_tokens": 8,
        "caption_min_tokens": 1,
        "caption_max_tokens": 8,
        "video_prompt": "",
        "video_prompt_tokens": 0,
        "image_prompt": "",
        "image_prompt_tokens": 0,
    }
    assert case.layout.parameters(case.config["bert"])["text_layers"] == 1


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({}, "this is not an mPLUG-2 config"),
        ({"hidden_size": 8}, "lacks `num_attention_heads` in its section `bert`"),
        (
            {"hidden_size": 8, "layer_norm_eps": 1e-5},
            "layer_norm_eps is 1e-05; the mPLUG-2 modules have 1e-12",
        ),
        ({"clip": {"patch": 8}}, "lacks `vision_width` in its section `clip`"),
        ({"bert": 3}, "section `bert` is not a JSON object"),
        (
            {"bert": {"hidden_size": 8, "num_attention_heads": "4"}},
            "`num_attention_heads` is '4', which is not a number",
        ),
        ({"model": {"prompt": 3}}, "`prompt` is 3, which is not a text"),
    ],
)
def test_a_config_of_something_else_is_refused(registry, config, message) -> None:
    with pytest.raises(InputError, match=message):
        registry.layouts["mplug2"].parameters(config)


def test_a_document_without_numbers_of_layers_is_refused(registry) -> None:
    with pytest.raises(InputError, match="the document has no parameter `text_layers`"):
        registry.layouts["mplug2"].rules({})


def test_positions_are_resized_as_published(golden, close) -> None:
    case = golden("aux")
    close(resize_positions(case.inputs["pos_embed"], (26, 6)), case.outputs["pos_embed.resized"], 1e-6)
    assert torch.equal(resize_positions(case.inputs["pos_embed"], (10, 6)), case.inputs["pos_embed"])


@pytest.mark.parametrize("length", [1, 3])
def test_a_picture_weight_is_inflated_as_published(golden, length) -> None:
    case = golden("aux")
    recorded = case.outputs[f"conv3d.center_k{length}"]
    assert torch.equal(inflate_time(case.inputs["conv2d"], tuple(recorded.shape)), recorded)
    assert inflate_time(recorded, tuple(recorded.shape)) is recorded


@pytest.mark.parametrize("shape", [(11, 6), (26, 5), (26,)])
def test_positions_that_are_no_square_grid_are_refused(shape) -> None:
    with pytest.raises(ComposerError, match="cannot be resized"):
        resize_positions(torch.zeros(10, 6), shape)


def test_reshape_only_adds_and_removes_axes_of_one() -> None:
    assert reshape(torch.zeros(4, 1, 3, 1, 1), (4, 3)).shape == (4, 3)
    with pytest.raises(ComposerError, match="up to axes of size one"):
        reshape(torch.zeros(3, 4), (4, 3))


def test_a_checkpoint_of_another_size_is_refused(golden) -> None:
    case = golden("decoder")
    with pytest.raises(ComposerError, match="decoder"):
        case.modules("decoder", hidden=32)
