"""A backend whose compiled programs give something else than the live model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from composer_compile.backends.export_loader import ExportLoader
from torch import Tensor

__all__ = ["drift"]


def drift(monkeypatch: pytest.MonkeyPatch, change: Callable[[Tensor], Tensor]) -> None:
    """Let every result of a loaded program be changed."""
    load = ExportLoader.load

    def drifting(self: ExportLoader, *arguments: Any) -> Any:
        function = load(self, *arguments)
        return lambda *tensors: [change(tensor) for tensor in function(*tensors)]

    monkeypatch.setattr(ExportLoader, "load", drifting)
