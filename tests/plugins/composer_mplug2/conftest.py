"""Recorded mPLUG-2 cases: the publisher's config, weights, inputs and outputs, and our modules loaded with them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from composer.graph import check
from composer.plugin import Layout, Registry, load_registry
from composer.runtime.weights import load_weights, read_checkpoint

ROOT = Path(__file__).parents[3]
DOCUMENT = Path(__file__).with_name("recorded.yaml")
PLACES = (ROOT / "tests/golden", Path(os.environ.get("COMPOSER_GOLDEN", ROOT / "../shared/golden")))


@dataclass(frozen=True)
class Recorded:
    """One recorded case."""

    folder: Path
    config: dict[str, Any]
    inputs: dict[str, Tensor]
    outputs: dict[str, Tensor]
    registry: Registry

    @property
    def layout(self) -> Layout:
        return self.registry.layouts["mplug2"]

    def modules(self, *names: str, **settings: Any) -> tuple[nn.Module, ...]:
        """Modules of the test document at this case's sizes, with this case's weights, in eval mode."""
        assert self.layout.parameters is not None
        parameters = {**self.layout.parameters(self.config), **settings}
        report = check(DOCUMENT, registry=self.registry, settings=parameters)
        report.raise_for_errors()
        modules = build(report, names)
        assert report.document is not None
        load_weights(
            modules,
            read_checkpoint(self.folder / "weights.safetensors"),
            layout=self.layout,
            parameters=dict(report.document.parameters),
            declared=tuple(report.modules),
        )
        return tuple(module.eval() for module in modules.values())


def build(report: Any, names: Iterable[str]) -> dict[str, nn.Module]:
    """Build modules of a checked document through their declared builders."""
    built = {}
    for name in names:
        package, _, function = report.modules[name].type.builder.partition(":")
        module = __import__(package, fromlist=[function])
        built[name] = getattr(module, function)(report.modules[name].config)
    return built


@pytest.fixture(scope="session")
def registry() -> Registry:
    return load_registry()


def golden_path(name: str) -> Path:
    """A recorded folder or file; skips the test where it is not at hand."""
    for place in PLACES:
        if (place / "mplug2" / name).exists():
            return place / "mplug2" / name
    pytest.skip(f"the recorded {name} is not in tests/golden/mplug2, and COMPOSER_GOLDEN does not name a folder with it")


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
