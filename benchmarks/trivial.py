"""A module type that does nothing, to see what running a graph of them costs."""

from __future__ import annotations

import sys
from typing import Any

from torch import Tensor, nn

from composer.plugin import Method, ModuleType, NoConfig, Register, hookimpl, load_registry
from composer.types import Signature

__all__ = ["build", "registry"]


class Pass(nn.Module):
    def forward(self, *, value: Tensor) -> Tensor:
        return value


def build(config: NoConfig) -> Pass:
    return Pass()


def _signature(config: NoConfig) -> Signature:
    return Signature({"value": "embedding[B, D]"}, {"value": "embedding[B, D]"})


@hookimpl
def composer_register(register: Register) -> None:
    summary = "Gives back what it gets."
    register(
        ModuleType(
            "trivial.pass", NoConfig, {"forward": Method(_signature)}, "benchmarks.trivial:build", summary
        )
    )


def registry() -> Any:
    return load_registry([("trivial", sys.modules[__name__])])
