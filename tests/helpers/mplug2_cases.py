"""What the tests of mPLUG-2 share: recorded cases, and modules built through their declared builders."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor, nn

from composer.graph import check
from composer.plugin import Layout, Registry
from composer.weights import load_weights, read_checkpoint

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "tests/plugins/composer_mplug2/recorded.yaml"
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
        module = importlib.import_module(package)
        built[name] = getattr(module, function)(report.modules[name].config)
    return built


def golden_path(name: str) -> Path:
    """A recorded folder or file; skips the test where it is not at hand."""
    for place in PLACES:
        if (place / "mplug2" / name).exists():
            return place / "mplug2" / name
    pytest.skip(
        f"the recorded {name} is not in tests/golden/mplug2, and COMPOSER_GOLDEN does not name a folder with it"
    )
