"""The ports and configs of the vision modalities."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from composer.plugin import Registry
from composer.types import PortType, parse_port_type


@pytest.mark.parametrize(
    ("modality", "config", "pixels", "frames"),
    [
        ("image", {"size": 224}, "pixels[B, 3, 1, 224, 224]", "frames[B, 1, 224, 224, 3]"),
        ("video", {"size": 32, "frames": 8}, "pixels[B, 3, 8, 32, 32]", "frames[B, 8, 32, 32, 3]"),
    ],
)
def test_ports_follow_the_config(
    registry: Registry, modality: str, config: dict[str, Any], pixels: str, frames: str
) -> None:
    declared = registry.modalities[modality]
    parsed = declared.config.model_validate(config)
    assert declared.host is not None
    assert _read(declared.ports(parsed)["pixels"]) == parse_port_type(pixels)
    assert _read(declared.host(parsed)["frames"]) == parse_port_type(frames)


def _read(port: str | PortType) -> PortType:
    return parse_port_type(port) if isinstance(port, str) else port


def test_a_yaml_list_gives_the_colours(registry: Registry) -> None:
    config = registry.modalities["image"].config.model_validate(
        {"size": 8, "mean": [0, 0.5, 1], "std": [1, 1, 2]}
    )
    assert config.model_dump()["mean"] == (0.0, 0.5, 1.0)


@pytest.mark.parametrize(
    ("modality", "config", "place"),
    [
        ("image", {}, "size"),
        ("image", {"size": 0}, "size"),
        ("image", {"size": "224"}, "size"),
        ("image", {"size": 8, "resize": "cubic"}, "resize"),
        ("image", {"size": 8, "mean": [0.5, 0.5]}, "mean"),
        ("image", {"size": 8, "mean": ["a", 0.5, 0.5]}, "mean"),
        ("image", {"size": 8, "std": [0.5, 0.5, 0.0]}, "std"),
        ("image", {"size": 8, "frames": 2}, "frames"),
        ("video", {"size": 8}, "frames"),
        ("video", {"size": 8, "frames": 0}, "frames"),
        ("video", {"size": 8, "frames": 2, "rate": 0.0}, "rate"),
        ("video", {"size": 8, "frames": 2, "sampling": "random"}, "sampling"),
    ],
)
def test_a_wrong_config_names_its_key(
    registry: Registry, modality: str, config: dict[str, Any], place: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        registry.modalities[modality].config.model_validate(config)
    assert {error["loc"][0] for error in caught.value.errors()} == {place}
