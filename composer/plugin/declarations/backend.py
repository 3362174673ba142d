"""Compile backends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from composer.plugin.declarations.base import Declaration

__all__ = ["Backend"]


@dataclass(frozen=True)
class Backend(Declaration):
    """A compile backend: what turns a stage into something that runs without the model code.

    `builder()` is an object with the methods of `composer_compile.backends.contract.Builder`, `loader()` one with those
    of `Loader` there: who runs an artifact imports the loader alone. `extra` names what to install for it
    (`pip install "multimodal-composer[tensorrt]"`).
    """

    noun: ClassVar[str] = "backend"
    references: ClassVar[tuple[str, ...]] = ("builder", "loader")
    checks: ClassVar[str] = "composer_compile.backends.backend_checks:CHECKS"
    """What the conformance kit holds a backend with, by title. The core knows nothing of compiling but this name."""
    builder: str
    loader: str
    summary: str
    extra: str | None = None
