"""Encoders of transformers: the library called by hand, padding, checkpoints with heads, folders, and faults."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from composer.graph import check
from composer.language import Source
from composer.plugin import load_registry
from composer.plugin.asking import import_object
from composer.types import States, Tokens
from composer.weights import load_weights

transformers = pytest.importorskip("transformers")

REGISTRY = load_registry()


def cases(sort: str) -> list[Any]:
    found = REGISTRY.module_types[f"transformers.{sort}_encoder"].examples
    return [pytest.param(dict(example), id=str(example["family"])) for example in found]


def pair(sort: str, example: dict[str, Any], **changes: Any) -> tuple[Any, Any]:
    """The library's model with initial weights, and ours with the same: what a file with its keys fills."""
    entry = REGISTRY.module_types[f"transformers.{sort}_encoder"]
    config: Any = entry.config.model_validate(example)
    torch.manual_seed(7)
    made = getattr(transformers, config.row.config_class)(**example["config"], **changes)
    library = getattr(transformers, config.row.model_class)(made).eval()
    with torch.no_grad():
        for parameter in library.parameters():  # initial biases are zero, which would hide a swap
            parameter.add_(torch.randn_like(parameter) * 0.05)
    ours = import_object(entry.builder, entry.title)(config)
    assert entry.layout is not None
    layout = REGISTRY.layouts[str(entry.layout(config))]
    keys = {key: value.clone() for key, value in library.state_dict().items()}
    load_weights({"encoder": Below(ours)}, keys, layout=_below(layout))
    return library, ours.eval()


class Below(torch.nn.Module):
    """A module whose parameters have the names that a source for one module gives them."""

    def __init__(self, module: torch.nn.Module) -> None:
        super().__init__()
        self.model = module.model


def _below(layout: Any) -> Any:
    """The layout with the module's name before its targets, as the loading of one module reads it."""
    from dataclasses import replace

    def rules(parameters: Any) -> Any:
        return tuple(
            each if each.target is None else replace(each, target=f"encoder.{each.target}")
            for each in layout.rules(parameters)
        )

    return replace(layout, rules=rules)


def near(found: Tensor, expected: Tensor) -> bool:
    return found.shape == expected.shape and torch.allclose(found, expected, atol=2e-5)


@pytest.mark.parametrize("example", cases("text"))
@pytest.mark.parametrize("side", ["right", "left"])
@torch.no_grad()
def test_a_text_is_read_as_the_library_reads_it_alone(example: dict[str, Any], side: str) -> None:
    library, ours = pair("text", example)
    texts = [torch.randint(3, 119, (1, length)) for length in (9, 5)]
    ids, mask = torch.zeros(2, 9, dtype=torch.int64), torch.zeros(2, 9, dtype=torch.int64)
    places = [slice(0, 9), slice(4, 9) if side == "left" else slice(0, 5)]
    for row, (text, place) in enumerate(zip(texts, places, strict=True)):
        ids[row, place], mask[row, place] = text[0], 1
    found = ours(tokens=Tokens(ids, mask))
    for row, (text, place) in enumerate(zip(texts, places, strict=True)):
        expected = library(input_ids=text, attention_mask=torch.ones_like(text)).last_hidden_state[0]
        assert near(found.values[row, place], expected)


@pytest.mark.parametrize("example", cases("vision"))
@torch.no_grad()
def test_a_picture_is_seen_as_the_library_sees_it(example: dict[str, Any]) -> None:
    library, ours = pair("vision", example)
    entry = REGISTRY.module_types["transformers.vision_encoder"]
    port = entry.methods["forward"].signature(entry.config.model_validate(example)).inputs["pixels"].type
    pixels = torch.randn(2, *(int(str(dim)) for dim in port.dims[1:]))
    given = pixels.transpose(1, 2) if example["family"] == "videomae" else pixels[:, :, 0]
    expected = library(pixel_values=given).last_hidden_state
    flat = expected.flatten(2).transpose(1, 2) if expected.dim() == 4 else expected
    assert near(ours(pixels=pixels).values, flat)
    pooled = getattr(library(pixel_values=given), "pooler_output", None)
    if example["family"] in ("clip", "siglip", "dinov2", "swin", "convnext"):
        assert pooled is not None
        assert near(ours.pooled(pixels=pixels), pooled.flatten(1))


@pytest.mark.parametrize("example", cases("audio"))
@torch.no_grad()
def test_sound_is_heard_as_the_library_hears_it(example: dict[str, Any]) -> None:
    library, ours = pair("audio", example)
    if example["family"] == "wav2vec2":
        sounds = [torch.randn(1, length) for length in (400, 230)]
        values, mask = torch.full((2, 400), 9.0), torch.zeros(2, 400, dtype=torch.int64)
        for row, sound in enumerate(sounds):
            values[row, : sound.shape[1]], mask[row, : sound.shape[1]] = sound[0], 1
        found = ours(waveform=States(values, mask))
        for row, sound in enumerate(sounds):
            expected = library(input_values=sound).last_hidden_state[0]
            assert near(found.values[row, : len(expected)], expected)
            assert int(found.mask[row].sum()) == len(expected)
        return
    mels = torch.randn(2, 24, example["config"]["num_mel_bins"])
    if example["family"] == "whisper":
        expected = library.encoder(input_features=mels.transpose(1, 2)).last_hidden_state
    else:
        expected = library(input_values=mels).last_hidden_state
    assert near(ours(mels=States(mels)).values, expected)


@pytest.mark.parametrize("example", cases("dual"))
@torch.no_grad()
def test_pictures_and_texts_are_compared_as_the_library_does(example: dict[str, Any]) -> None:
    library, ours = pair("dual", example)
    pixels = torch.randn(3, 3, 1, 16, 16)
    text = example["config"]["text_config"]
    lengths, most = (6, 4), text["max_position_embeddings"]
    padding = text["pad_token_id"]
    ids, mask = torch.full((2, 6), 77), torch.zeros(2, 6, dtype=torch.int64)
    full = torch.full((2, most if example["family"] == "siglip" else 6), padding)
    for row, length in enumerate(lengths):
        words = torch.randint(3, 118, (length,))
        words[-1] = text["eos_token_id"]
        ids[row, :length], mask[row, :length], full[row, :length] = words, 1, words
    given = {"input_ids": full, "pixel_values": pixels[:, :, 0]}
    if example["family"] == "clip":
        given["attention_mask"] = mask
    assert near(ours(pixels=pixels, tokens=Tokens(ids, mask)), library(**given).logits_per_image)


@torch.no_grad()
def test_a_checkpoint_of_a_model_with_a_head_fills_the_encoder() -> None:
    example = dict(REGISTRY.module_types["transformers.text_encoder"].examples[0])
    entry = REGISTRY.module_types["transformers.text_encoder"]
    whole = transformers.BertForMaskedLM(transformers.BertConfig(**example["config"]))
    ours = import_object(entry.builder, entry.title)(entry.config.model_validate(example))
    keys = {key: value.clone() for key, value in whole.state_dict().items()}
    keys["bert.embeddings.position_ids"] = torch.arange(40)[None]
    report = load_weights({"encoder": Below(ours)}, keys, layout=_below(REGISTRY.layouts["transformers"]))
    reasons = set(report.sources[0].ignored.values())
    assert reasons == {"a head, which the module was built without", "positions, which are counted"}


def folder(place: Path, **config: Any) -> Path:
    place.mkdir()
    (place / "config.json").write_text(json.dumps(config))
    return place


def problems(uses: str, place: Path, **with_: Any) -> list[str]:
    document = {"composer": 1, "modules": {"encoder": {"uses": uses, "with": with_}}}
    report = check(Source("document.yaml", json.dumps(document), place / "document.yaml"), registry=REGISTRY)
    return [f"{problem.code} {problem.message}" for problem in report.errors]


@pytest.mark.parametrize(
    ("with_", "expected"),
    [
        ({"family": "bret"}, "no family is called 'bret'; did you mean `bert`?"),
        ({}, "`family` (with `config`) or `folder` say which model it is"),
        (
            {"family": "bert", "config": {"hidden_sise": 4}},
            "has no `hidden_sise`; did you mean `hidden_size`?",
        ),
        ({"family": "bert", "config": {"hidden_size": 30, "num_attention_heads": 4}}, "is not a multiple of"),
        ({"family": "bert", "config": {"vocab_size": -1}}, "`vocab_size` is -1, not a number from 1"),
        ({"folder": "nowhere"}, "nowhere does not exist"),
        ({"folder": "strange"}, "is a model of the type 'mamba'; text encoders are read of the types bert, "),
        ({"folder": "remote"}, "asks for code of its own (auto_map)"),
    ],
)
def test_what_is_wrong_is_one_sentence(with_: dict[str, Any], expected: str, tmp_path: Path) -> None:
    folder(tmp_path / "strange", model_type="mamba")
    folder(tmp_path / "remote", model_type="bert", auto_map={"AutoModel": "code.Model"})
    (found,) = problems("transformers.text_encoder", tmp_path, **with_)
    assert expected in found


def test_a_folder_says_how_pictures_are_prepared(tmp_path: Path) -> None:
    place = folder(tmp_path / "eye", model_type="dinov2", hidden_size=48, image_size=56, patch_size=14)
    prepared = {
        "size": {"shortest_edge": 64},
        "image_mean": [0.1, 0.2, 0.3],
        "image_std": [1, 2, 3],
        "resample": 2,
    }
    (place / "preprocessor_config.json").write_text(json.dumps(prepared))
    document = {
        "composer": 1,
        "modules": {"eye": {"uses": "transformers.vision_encoder", "with": {"folder": "eye"}}},
        "tasks": {
            "see": {
                "inputs": {"photo": {"modality": "image", "for": "eye"}},
                "nodes": {"seen": {"call": "eye", "inputs": "photo"}},
                "outputs": {"states": "seen"},
            }
        },
    }
    report = check(
        Source("document.yaml", json.dumps(document), tmp_path / "document.yaml"), registry=REGISTRY
    )
    assert not report.problems
    config = report.tasks["see"].inputs["photo"].config.model_dump()
    assert (config["size"], config["mean"], config["resize"]) == (56, (0.1, 0.2, 0.3), "bilinear")
    assert (config["crop"], config["crop_share"]) == ("resized", 56 / 64)
    assert str(report.tasks["see"].types["seen", "states"]) == "states:vision[B@photo, 17, 48]"


SMALL = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 4, "intermediate_size": 48}


@pytest.mark.parametrize(
    ("prepared", "expected"),
    [
        ([1, 2], "preprocessor_config.json is not the config of a model: it holds a list, not a map"),
        ("{", "preprocessor_config.json is not valid JSON"),
        ({"image_mean": "grey"}, "`image_mean` is 'grey', not three numbers"),
        ({"image_mean": [0.5]}, "`image_mean` is [0.5], not three numbers"),
        ({"image_std": [0, 0, 0]}, "`image_std` is [0, 0, 0], not three numbers above 0"),
        ({"do_normalize": "maybe"}, "`do_normalize` is 'maybe', not true or false"),
        ({"resample": 5}, "`resample` is 5, not 0 (nearest), 1 (lanczos), 2 (bilinear) or 3 (bicubic)"),
        ({"resample": ["bicubic"]}, "`resample` is ['bicubic'], not 0 (nearest)"),
    ],
)
def test_a_preprocessor_that_cannot_be_is_the_fault_of_its_folder(
    prepared: Any, expected: str, tmp_path: Path
) -> None:
    place = folder(tmp_path / "eye", model_type="vit", image_size=16, patch_size=8, **SMALL)
    text = prepared if isinstance(prepared, str) else json.dumps(prepared)
    (place / "preprocessor_config.json").write_text(text)
    (found,) = asked_for("transformers.vision_encoder", "image", tmp_path)
    assert found.startswith("C206 ")
    assert expected in found


def test_a_folder_without_a_tokenizer_says_so(tmp_path: Path) -> None:
    folder(tmp_path / "eye", model_type="bert", **SMALL)
    (found,) = asked_for("transformers.text_encoder", "text", tmp_path)
    assert found.startswith("C206 ")
    assert "eye has no tokenizer.json" in found
    assert "write `tokenizer` under `with`" in found


def asked_for(uses: str, modality: str, place: Path) -> list[str]:
    """The problems of a document whose input says `for:` the model of the folder `eye`."""
    document = {
        "composer": 1,
        "modules": {"eye": {"uses": uses, "with": {"folder": "eye"}}},
        "tasks": {
            "see": {
                "inputs": {"given": {"modality": modality, "for": "eye"}},
                "nodes": {"seen": {"call": "eye", "inputs": "given"}},
                "outputs": {"states": "seen"},
            }
        },
    }
    report = check(Source("document.yaml", json.dumps(document), place / "document.yaml"), registry=REGISTRY)
    return [f"{problem.code} {problem.message}" for problem in report.problems]


@pytest.mark.slow
@pytest.mark.parametrize("sort", ["text", "vision", "audio", "dual"])
def test_the_kit_passes_for_every_family(sort: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from composer.conformance import check_plugin
    from composer.plugin import hookimpl

    entry = REGISTRY.module_types[f"transformers.{sort}_encoder"]
    kind = REGISTRY.kinds["transformers.waveform"]

    class Plugin:
        @staticmethod
        @hookimpl
        def composer_register(register: Any) -> None:
            register(kind, entry)

    monkeypatch.setenv("COMPOSER_PLUGINS", "core,text,vision")
    report = check_plugin(Plugin)
    assert report.passed, report.failures
