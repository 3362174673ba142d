"""Recorded mPLUG-2 cases: the publisher's config, weights, inputs and outputs, and our modules loaded with them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

import pytest
import torch
from mplug2_cases import Recorded, golden_path
from safetensors.torch import load_file
from torch import Tensor, nn

from composer.plugin import Registry, load_registry


@pytest.fixture(scope="session")
def registry() -> Registry:
    return load_registry()


@pytest.fixture(scope="session")
def golden(registry: Registry) -> Callable[[str], Recorded]:
    """`golden(kind)`: the recorded case of that name."""

    def read(kind: str) -> Recorded:
        folder = golden_path(kind)
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        inputs, outputs = (load_file(folder / f"{part}.safetensors") for part in ("inputs", "outputs"))
        return Recorded(folder, config, inputs, outputs, registry)

    return read


@pytest.fixture(scope="session")
def close() -> Callable[..., None]:
    """`close(ours, recorded, tolerance)`: within absolute and relative tolerance, 1e-4 unless said otherwise."""

    def compare(ours: Tensor, recorded: Tensor, tolerance: float = 1e-4) -> None:
        torch.testing.assert_close(ours, recorded, rtol=tolerance, atol=tolerance)

    return compare


@pytest.fixture
def outputs_of() -> Iterable[Callable[..., dict[str, Any]]]:
    """`outputs_of(module, "layers.0", ...)`: a dict that holds what these submodules returned in the latest call."""
    handles = []

    def watch(module: nn.Module, *names: str) -> dict[str, Any]:
        seen: dict[str, Any] = {}
        for name in names:
            hook = lambda _module, _args, output, name=name: seen.__setitem__(name, output)  # noqa: E731
            handles.append(module.get_submodule(name).register_forward_hook(hook))
        return seen

    yield watch
    for handle in handles:
        handle.remove()


@pytest.fixture(autouse=True)
def _no_gradients() -> Iterable[None]:
    """Tests that need gradients switch them on."""
    with torch.no_grad():
        yield
