"""Encoders of the libraries in an artifact: of sound, of pictures beside texts, and backbones."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import composer_compile
import numpy as np
import pytest
import torch
from composer_compile.plan.planner import plan_document
from numpy.typing import NDArray

import composer
from composer.types import States
from composer.weights import save_weights

SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48}
WORDS = {**SIZES, "vocab_size": 30_522, "max_position_embeddings": 16}
SEEN = {**SIZES, "image_size": 16, "patch_size": 8}
WAVES = {
    **SIZES,
    "conv_dim": [8, 8],
    "conv_kernel": [10, 4],
    "conv_stride": [5, 4],
    "num_conv_pos_embeddings": 4,
    "num_conv_pos_embedding_groups": 2,
}
SOUND = {"sound": {"modality": "audio", "for": "model"}}
PICTURE = {"picture": {"modality": "image", "for": "model"}}
LABELS = {"labels": {"modality": "text", "with": {"tokenizer": "bert-uncased", "max_tokens": 16}}}


def document(uses: str, config: Mapping[str, Any], tasks: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "composer": 1,
        "modules": {"model": {"uses": uses, "with": dict(config)}},
        "tasks": dict(tasks),
    }


def hearing(family: str, **config: Any) -> dict[str, Any]:
    task = {
        "inputs": SOUND,
        "nodes": {"heard": {"call": "model", "inputs": "sound"}},
        "outputs": {"states": "heard"},
    }
    return document("transformers.audio_encoder", {"family": family, "config": config}, {"hear": task})


def matching(family: str, **config: Any) -> dict[str, Any]:
    task = {
        "inputs": {**PICTURE, **LABELS},
        "nodes": {"scores": {"call": "model", "inputs": {"pixels": "picture", "tokens": "labels"}}},
        "outputs": {"scores": "scores"},
    }
    config |= {"vision_config": SEEN}
    return document("transformers.dual_encoder", {"family": family, "config": config}, {"match": task})


def seeing(model: str, **methods: str) -> dict[str, Any]:
    """A task for each method, which gives the port."""
    tasks = {
        method: {
            "inputs": PICTURE,
            "nodes": {"seen": {"call": f"model.{method}", "inputs": "picture"}},
            "outputs": {"seen": f"seen.{port}"},
        }
        for method, port in methods.items()
    }
    return document("timm.backbone", {"model": model}, tasks)


DOCUMENTS = {
    "whisper": hearing(
        "whisper",
        d_model=32, encoder_layers=2, encoder_attention_heads=4, encoder_ffn_dim=48,
        decoder_layers=1, decoder_attention_heads=4, num_mel_bins=8, max_source_positions=10,
    ),
    "wav2vec2": hearing("wav2vec2", **WAVES),
    "wav2vec2-stable": hearing("wav2vec2", **WAVES, feat_extract_norm="layer", do_stable_layer_norm=True),
    "ast": hearing("ast", **SIZES, max_length=64, num_mel_bins=16),
    "clip": matching("clip", text_config=WORDS, projection_dim=16),
    "siglip": matching("siglip", text_config={**WORDS, "projection_size": 32}),
    "vit": seeing("test_vit", tokens="states", pooled="embedding", map="map", pyramid="level2"),
    "resnet": seeing("test_resnet", tokens="states", pooled="embedding", map="map", pyramid="level2"),
}  # fmt: skip
LENGTHS = [(30,), (44, 25), (45,), (500, 26), (512, 512)]
"""Of recordings, in samples. Up to 44 are one state: torch.export makes a program apart for that."""
LONG = {"ast": [(9_000,), (9_000, 3_000)], "whisper": [(3_200,), (3_200, 1_000)]}


def noise(samples: int) -> NDArray[np.float32]:
    return (np.random.default_rng(samples).standard_normal(samples) * 0.1).astype(np.float32)


def requests(name: str) -> list[dict[str, Any]]:
    if "sound" in name_of_inputs(name):
        lengths = LONG.get(name, LENGTHS)
        return [{"sound": [noise(each) for each in row]} for row in lengths]
    drawn = np.random.default_rng(0).integers(0, 256, (3, 40, 60, 3), dtype=np.uint8)
    texts = {"labels": ["a cat", "a dog on the mat"]} if "labels" in name_of_inputs(name) else {}
    return [{"picture": list(drawn[:count]), **texts} for count in (1, 3)]


def name_of_inputs(name: str) -> set[str]:
    return {given for task in DOCUMENTS[name]["tasks"].values() for given in task["inputs"]}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("name", "backend"), [*((name, "export") for name in DOCUMENTS), ("wav2vec2", "inductor")]
)
def test_an_artifact_answers_as_the_live_model(name: str, backend: str, tmp_path: Path) -> None:
    path = written(name, tmp_path)
    torch.manual_seed(0)
    live = composer.load(path, weights="initial")
    save_weights(live.modules, tmp_path / "weights.safetensors")
    composer_compile.compile_document(
        path,
        tmp_path / "artifact",
        weights=tmp_path / "weights.safetensors",
        options=composer_compile.Options(backend=backend),
    )
    artifact = composer_compile.load(tmp_path / "artifact")
    for task in DOCUMENTS[name]["tasks"]:
        for raw in requests(name):
            (found,), (expected,) = (each.run(task, **raw).values() for each in (artifact, live))
            if isinstance(expected, States):
                assert (found.mask is None) == (expected.mask is None)
                assert expected.mask is None or torch.equal(found.mask, expected.mask)
                found, expected = found.values, expected.values
            torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


def written(name: str, folder: Path) -> Path:
    path = folder / f"{name}.yaml"
    path.write_text(json.dumps(DOCUMENTS[name]))
    return path


def test_a_weight_with_a_norm_is_made_before_it_is_compiled(tmp_path: Path) -> None:
    """No program divides it at every call."""
    (task,) = plan_document(written("wav2vec2", tmp_path)).tasks
    operations = {op.target for stage in task.stages for node in stage.nodes for op in node.operations}
    assert "aten.convolution.default" in operations
    assert not [each for each in operations if "weight_norm" in each]
