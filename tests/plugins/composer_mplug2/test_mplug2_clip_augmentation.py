"""The published training transforms of clips: exactly what the published code recorded."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from composer_mplug2.clip_augmentation import crop_bicubic, wrap_to_uint8
from safetensors.numpy import load_file

from composer.plugin import Registry
from composer.plugin.asking import import_object

AUX = Path(__file__).parents[2] / "golden" / "mplug2" / "aux"


def test_the_training_crop_is_as_recorded(registry: Registry) -> None:
    recorded = json.loads((AUX / "config.json").read_text(encoding="utf-8"))
    arrays = load_file(AUX / "inputs.safetensors") | load_file(AUX / "outputs.safetensors")
    frames = torch.from_numpy(arrays["frames_u8"])
    crop = crop_bicubic(frames, tuple(recorded["crop_box_ijhw"]), recorded["image_res"])
    np.testing.assert_array_equal(crop.numpy(), arrays["train.crop_bicubic_long"])
    # The recording holds values on both sides of 0..255: without them wrapping would go untested.
    assert crop.min() < 0
    assert crop.max() > 255
    np.testing.assert_array_equal(wrap_to_uint8(crop).numpy(), arrays["train.crop_then_uint8_wrap"])
    prepare = import_object(str(registry.modalities["image"].prepare), "prepare")
    config = registry.modalities["image"].config.model_validate({"size": 24})
    pixels = prepare(config)(frames=crop[None])[0]
    np.testing.assert_allclose(pixels.numpy(), arrays["train.norandaug_normalized"], rtol=1e-6, atol=1e-6)
