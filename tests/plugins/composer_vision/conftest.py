"""The vision modalities by id, and the recorded frames and transforms."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

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
