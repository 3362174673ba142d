"""Encoders of sound in an artifact hear what they hear live: one recording or several, short or long."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import composer_compile
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import composer
from composer.weights import save_weights

SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48}
CONFIGS: dict[str, dict[str, Any]] = {
    "wav2vec2": {
        **SIZES,
        "conv_dim": [8, 8],
        "conv_kernel": [10, 4],
        "conv_stride": [5, 4],
        "num_conv_pos_embeddings": 4,
        "num_conv_pos_embedding_groups": 2,
    },
    "ast": {**SIZES, "max_length": 64, "num_mel_bins": 16},
}
pytestmark = pytest.mark.slow


def noise(samples: int) -> NDArray[np.float32]:
    return (np.random.default_rng(samples).standard_normal(samples) * 0.1).astype(np.float32)


def test_what_an_artifact_hears_is_what_is_heard_live(tmp_path: Path) -> None:
    """A wave encoder makes one state of up to 44 samples, for which torch.export makes a program apart."""
    document = {
        "composer": 1,
        "modules": {
            name: {"uses": "transformers.audio_encoder", "with": {"family": name, "config": config}}
            for name, config in CONFIGS.items()
        },
        "tasks": {
            f"hear-{name}": {
                "inputs": {"sound": {"modality": "audio", "for": name}},
                "nodes": {"heard": {"call": name, "inputs": "sound"}},
                "outputs": {"states": "heard"},
            }
            for name in CONFIGS
        },
    }
    path = tmp_path / "ears.yaml"
    path.write_text(json.dumps(document))
    torch.manual_seed(0)
    live = composer.load(path, weights="initial")
    save_weights(live.modules, tmp_path / "weights.safetensors")
    composer_compile.compile_document(path, tmp_path / "artifact", weights=tmp_path / "weights.safetensors")
    artifact = composer_compile.load(tmp_path / "artifact")
    for lengths in ((30,), (44, 25), (45,), (500, 26), (512, 512)):
        sounds = [noise(each) for each in lengths]
        compare(live, artifact, "hear-wav2vec2", sounds)
    compare(live, artifact, "hear-ast", [noise(9_000)])
    compare(live, artifact, "hear-ast", [noise(9_000), noise(3_000)])


def compare(live: Any, artifact: Any, task: str, sounds: list[NDArray[np.float32]]) -> None:
    found, expected = (each.run(task, sound=sounds)["states"] for each in (artifact, live))
    torch.testing.assert_close(found.values, expected.values, atol=1e-5, rtol=1e-4)
    if expected.mask is not None:
        assert torch.equal(found.mask, expected.mask)
