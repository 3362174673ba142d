"""Declarations and modules agree: configs are checked, and signatures tell the shapes that come out."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import torch
from composer_mplug2.configs import BertConfig, DecoderConfig, VisionConfig
from composer_mplug2.prompts import build_strip_prompt
from composer_mplug2.signatures import clip, generate, picture, rank
from composer_mplug2.text_decoder import TextDecoder
from composer_mplug2.vision_encoder import build_vision_encoder
from mplug2_cases import ROOT, build
from pydantic import ValidationError

from composer.graph import Report, check
from composer.plugin import GenerateOptions
from composer.problems import InputError
from composer.types import States, Tokens

VISION: dict[str, Any] = {"image_size": 32, "patch_size": 8, "width": 64, "layers": 1, "frames": 5}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"patch_size": 7}, "image_size 32 is not a multiple of patch_size 7"),
        ({"heads": 3}, "width 64 is not a multiple of heads 3"),
        ({"width": 48}, "width 48 is not a multiple of 64: give `heads`"),
        ({"stem": "conv", "image_size": 36, "patch_size": 6}, "multiples of 4"),
        ({"stem": "conv", "temporal_downsampling": True}, "no temporal_downsampling"),
        ({"width": 63, "heads": 3}, "width 63 is odd"),
        ({"layers": -1}, "greater than or equal to 0"),
    ],
)
def test_a_vision_config_that_cannot_work_is_refused(changed, message) -> None:
    with pytest.raises(ValidationError, match=message):
        VisionConfig(**{**VISION, **changed})


def test_heads_divide_the_width_of_bert() -> None:
    with pytest.raises(ValidationError, match="hidden 10 is not a multiple of heads 4"):
        BertConfig(hidden=10, heads=4)


def test_special_ids_lie_inside_the_vocabulary() -> None:
    with pytest.raises(ValidationError, match="end 102 lies outside a vocabulary of 102 entries"):
        DecoderConfig(hidden=8, heads=2, layers=1, vocabulary=102)


def test_a_vocabulary_file_beside_the_document_is_found(tmp_path) -> None:
    (tmp_path / "words.txt").write_text("[PAD]\n")
    fields = {"hidden": 8, "heads": 2, "layers": 1}
    beside = DecoderConfig.model_validate(
        {**fields, "tokenizer": "words.txt"}, context={"folders": {"tokenizer": tmp_path}}
    )
    named = DecoderConfig.model_validate(
        {**fields, "tokenizer": "bert-uncased"}, context={"folders": {"tokenizer": tmp_path}}
    )
    assert beside.tokenizer == str(tmp_path / "words.txt")
    assert named.tokenizer == "bert-uncased"


@pytest.mark.parametrize(("stem", "downsampling"), [("patch", False), ("patch", True), ("conv", False)])
@pytest.mark.parametrize("frames", [1, 2, 5])
def test_the_vision_signature_is_the_shape_that_comes_out(stem, downsampling, frames) -> None:
    config = VisionConfig(**{**VISION, "frames": frames, "stem": stem, "temporal_downsampling": downsampling})
    with torch.device("meta"):
        vision = build_vision_encoder(config)
        for signature, length in ((clip(config), frames), (picture(config), 1)):
            found = vision(pixels=torch.empty(3, 3, length, 32, 32)).values.shape
            assert [str(d) for d in signature.outputs["states"].type.dims] == ["B", *map(str, found[1:])]


@pytest.mark.parametrize(("size", "patch"), [(64, 8), (32, 4), (32, 16), (36, 12)])
def test_a_conv_stem_gives_one_vector_per_patch(size, patch) -> None:
    config = VisionConfig(image_size=size, patch_size=patch, width=64, layers=1, stem="conv")
    vision = build_vision_encoder(config)
    assert vision.stem(torch.randn(2, 3, 3, size, size)).shape == (2, 3, (size // patch) ** 2, 64)


def test_a_sample_does_not_depend_on_its_batch() -> None:
    torch.manual_seed(0)
    vision = build_vision_encoder(VisionConfig(**{**VISION, "stem": "conv"})).eval()
    pixels = torch.randn(3, 3, 5, 32, 32)
    torch.testing.assert_close(
        vision(pixels=pixels).values[1:2], vision(pixels=pixels[1:2]).values, rtol=1e-4, atol=1e-5
    )


def test_local_temporal_modules_start_as_no_change() -> None:
    torch.manual_seed(0)
    vision = build_vision_encoder(VisionConfig(**VISION)).eval()
    plain = build_vision_encoder(VisionConfig(**VISION, local_temporal=False)).eval()
    plain.load_state_dict({k: v for k, v in vision.state_dict().items() if "temporal" not in k})
    pixels = torch.randn(1, 3, 5, 32, 32)
    torch.testing.assert_close(vision(pixels=pixels).values, plain(pixels=pixels).values)


def test_generation_declares_what_a_node_gives() -> None:
    config = DecoderConfig(hidden=8, heads=2, layers=1)
    signature = generate(config, GenerateOptions(max_tokens=10))
    assert {name: str(port.type) for name, port in signature.outputs.items()} == {
        "text": "text[B]",
        "ids": "labels[B, L]",
        "score": "numbers[B]",
    }
    assert signature.ranges["L"] == (2, 11)


def built_decoder(report: Report) -> TextDecoder:
    decoder = build(report, ["decoder"])["decoder"]
    assert isinstance(decoder, TextDecoder)
    return decoder


def test_ranking_needs_as_many_candidates_as_it_keeps(registry) -> None:
    decoder_type = registry.module_types["mplug2.text_decoder"]
    options = decoder_type.methods["rank"].options(top=3)
    config = DecoderConfig(hidden=8, heads=2, layers=1, vocabulary=110)
    assert rank(config, options).ranges["K"][0] == 3
    report = check(ROOT / "graphs/mplug2.yaml", registry=registry, settings={"vocabulary": 110, "hidden": 32})
    decoder = built_decoder(report).eval()
    candidates = Tokens(torch.ones(2, 3, dtype=torch.int64), torch.ones(2, 3, dtype=torch.int64))
    with pytest.raises(InputError, match="keeps the best 3 answers and was given 2"):
        decoder.rank(memory=States(torch.zeros(1, 4, 32)), candidates=candidates, top=3)


def test_more_tokens_than_positions_are_refused(registry) -> None:
    settings = {"vocabulary": 110, "hidden": 32, "positions": 8}
    decoder = built_decoder(check(ROOT / "graphs/mplug2.yaml", registry=registry, settings=settings))
    with pytest.raises(InputError, match="max_tokens 9 is beyond the 8 positions"):
        decoder.start(memory=States(torch.zeros(1, 4, 32)), beams=1, max_tokens=9)


@pytest.mark.parametrize(
    ("prompt", "text", "expected"),
    [
        ("a video of", "a video of a man cooking", "a man cooking"),
        ("a video of", "a man cooking", "a man cooking"),
        ("a video of", "a video of a video of two dogs", "two dogs"),
        ("", "a blue rectangle", "a blue rectangle"),
    ],
)
def test_the_prompt_is_taken_off(registry, prompt, text, expected) -> None:
    config = registry.module_types["mplug2.strip_prompt"].config(prompt=prompt)
    assert build_strip_prompt(config)(text=[text]) == [expected]


def test_the_entry_module_is_light() -> None:
    code = "import sys, composer_mplug2; print(sorted({'torch', 'numpy', 'transformers'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", ["mplug2.yaml", "mplug2-base.yaml"])
def test_the_shipped_documents_have_no_problems(registry, name) -> None:
    report = check(ROOT / "graphs" / name, registry=registry)
    assert report.problems == ()
    assert set(report.tasks) == {
        "video-qa",
        "image-qa",
        "video-qa-rank",
        "image-qa-rank",
        "video-caption",
        "image-caption",
    }


def test_module_sizes_are_the_published_ones(registry) -> None:
    """Counted parameters in millions, large; what is never used is not built."""
    report = check(ROOT / "graphs/mplug2.yaml", registry=registry)
    with torch.device("meta"):
        modules = build(report, report.modules)
    millions = {n: round(sum(p.numel() for p in m.parameters()) / 1e6, 1) for n, m in modules.items()}
    assert millions["vision"] == pytest.approx(304.0 + 50.6 - 0.8, abs=0.11)
    assert millions["text"] + millions["universal"] == pytest.approx(342.5 + 0.05, abs=0.11)
    assert millions["fusion"] == 100.8
    assert millions["decoder"] == pytest.approx(234.4, abs=0.11)
