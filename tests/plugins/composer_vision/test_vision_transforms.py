"""Sampling, resizing, normalising: exactly what the published code recorded."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest
import torch
from composer_vision.resizing import center_square, resize_square
from composer_vision.sampling import frames_at_rate, middle_frames, padded
from PIL import Image
from torch.export import Dim

from composer.plugin import Registry

Arrays = dict[str, np.ndarray]


def prepare(registry: Registry, **config: Any) -> torch.nn.Module:
    declared = registry.modalities["image"]
    assert declared.prepare is not None
    module, name = declared.prepare.split(":")
    return getattr(importlib.import_module(module), name)(
        declared.config.model_validate({"size": 24, **config})
    )


def test_middle_frames_are_as_recorded(recorded: dict[str, Any]) -> None:
    assert len(recorded["frame_indices_middle"]) == 7
    for frames, length, expected in recorded["frame_indices_middle"]:
        assert padded(middle_frames(frames, length), frames) == expected


def test_frames_at_one_a_second_are_as_recorded(recorded: dict[str, Any]) -> None:
    assert len(recorded["frame_indices_fps1_at25"]) == 7
    for length, expected in recorded["frame_indices_fps1_at25"]:
        assert frames_at_rate(1.0, length, 25.0) == expected


def test_padding_cuts_and_repeats() -> None:
    assert padded([3, 5, 9], 2) == [3, 5]
    assert padded([3, 5], 4) == [3, 5, 5, 5]


def test_nearest_resizing_is_as_recorded(recorded_arrays: Arrays) -> None:
    for frame, expected in zip(
        recorded_arrays["frames_u8"], recorded_arrays["test.resized_long"], strict=True
    ):
        np.testing.assert_array_equal(resize_square(frame, 24, "nearest"), expected)


@pytest.mark.parametrize("size", [1, 7, 224, 333])
def test_nearest_resizing_is_torchs(size: int) -> None:
    generator = np.random.default_rng(0)
    for height, width in [(1, 1), (37, 53), (300, 451), (1080, 641), (size, size)]:
        picture = generator.integers(0, 256, (height, width, 3), np.uint8)
        planes = torch.from_numpy(picture).permute(2, 0, 1)[None]
        expected = torch.nn.functional.interpolate(planes, size=(size, size), mode="nearest")[0].permute(
            1, 2, 0
        )
        np.testing.assert_array_equal(resize_square(picture, size, "nearest"), expected.numpy())


@pytest.mark.parametrize("how", ["bicubic", "bilinear"])
def test_smooth_resizing_is_pillows(recorded_arrays: Arrays, how: str) -> None:
    frame = recorded_arrays["frames_u8"][0]
    expected = Image.fromarray(frame).resize((24, 24), getattr(Image.Resampling, how.upper()))
    np.testing.assert_array_equal(resize_square(frame, 24, how), np.asarray(expected))


def test_the_middle_square_is_cut_out() -> None:
    wide = np.arange(2 * 5 * 3, dtype=np.uint8).reshape(2, 5, 3)
    np.testing.assert_array_equal(center_square(wide), wide[:, 1:3])
    tall = wide.transpose(1, 0, 2)
    np.testing.assert_array_equal(center_square(tall), tall[1:3])


def test_scaling_is_as_recorded(registry: Registry, recorded_arrays: Arrays) -> None:
    frames = torch.from_numpy(recorded_arrays["test.resized_long"].astype(np.uint8))[None]
    scaled = prepare(registry, mean=[0.0, 0.0, 0.0], std=[1.0, 1.0, 1.0])(frames=frames)
    np.testing.assert_array_equal(scaled[0].numpy(), recorded_arrays["test.scaled"])


def test_normalising_is_as_recorded(registry: Registry, recorded: Any, recorded_arrays: Arrays) -> None:
    frames = torch.from_numpy(recorded_arrays["test.resized_long"].astype(np.uint8))[None]
    for config in ({}, {"mean": recorded["mean"], "std": recorded["std"]}):
        pixels = prepare(registry, **config)(frames=frames)
        assert pixels.dtype == torch.float32
        np.testing.assert_allclose(
            pixels[0].numpy(), recorded_arrays["test.normalized"], rtol=1e-6, atol=1e-6
        )


def test_pixels_take_the_dtype_of_the_program(registry: Registry, recorded_arrays: Arrays) -> None:
    frames = torch.from_numpy(recorded_arrays["frames_u8"])[None]
    module = prepare(registry)
    exact = module(frames=frames)
    assert not module.state_dict()
    half = module.to(torch.bfloat16)(frames=frames)
    # The arithmetic stays exact; only the result is rounded.
    assert torch.equal(half, exact.to(torch.bfloat16))


def test_preparing_exports_with_a_free_batch(registry: Registry) -> None:
    module = prepare(registry)
    frames = torch.randint(256, (3, 2, 8, 8, 3), dtype=torch.uint8)
    exported = torch.export.export(
        module, (), {"frames": frames}, dynamic_shapes={"frames": {0: Dim.DYNAMIC}}
    )
    again = torch.randint(256, (5, 2, 8, 8, 3), dtype=torch.uint8)
    torch.testing.assert_close(exported.module()(frames=again), module(frames=again))
