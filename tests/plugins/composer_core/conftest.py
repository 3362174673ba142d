"""Building a core module type the way a document does: by id and config."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import pytest
from torch import nn

from composer.plugin import ModuleType, Registry, load_registry

Build = Callable[..., nn.Module]


@pytest.fixture(scope="session")
def registry() -> Registry:
    return load_registry(only=["core"])


@pytest.fixture(scope="session")
def build(registry: Registry) -> Build:
    def build_module(identity: str, **config: Any) -> nn.Module:
        declared: ModuleType = registry.module_types[identity]
        module, name = declared.builder.split(":")
        builder = getattr(importlib.import_module(module), name)
        return builder(declared.config.model_validate(config)).eval()

    return build_module
