"""The vision modalities by id, recorded frames, and clips written on the spot."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from safetensors.numpy import load_file

from composer.plugin import Registry, load_registry

AUX = Path(__file__).parents[2] / "golden" / "mplug2" / "aux"
Processor = Callable[..., Any]


@pytest.fixture(scope="session")
def registry() -> Registry:
    return load_registry(only=["vision"])


@pytest.fixture(scope="session")
def processor(registry: Registry) -> Processor:
    """The processor of a modality, made from its config as a document gives it."""

    def make(modality: str, **config: Any) -> Any:
        declared = registry.modalities[modality]
        module, name = declared.processor.split(":")
        return getattr(importlib.import_module(module), name)(declared.config.model_validate(config))

    return make


@pytest.fixture(scope="session")
def recorded() -> dict[str, Any]:
    return json.loads((AUX / "config.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def recorded_arrays() -> dict[str, np.ndarray]:
    return load_file(AUX / "inputs.safetensors") | load_file(AUX / "outputs.safetensors")


@pytest.fixture(scope="session")
def media() -> Path:
    """The folder of the pictures and clips that the repository ships."""
    return Path(__file__).parents[3] / "examples" / "media"


def grey(level: int, width: int = 64, height: int = 48) -> np.ndarray:
    return np.full((height, width, 3), level, np.uint8)


def write_clip(path: Path, pictures: list[np.ndarray], *, codec: str = "libx264", **options: str) -> Path:
    """Write pictures [H, W, 3] as a clip of 25 frames a second."""
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream(codec, rate=25)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "rgb8" if codec == "gif" else "yuv420p"
        for picture in pictures:
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            container.mux(stream.encode(frame.reformat(format=stream.pix_fmt)))
        container.mux(stream.encode())
    return path
