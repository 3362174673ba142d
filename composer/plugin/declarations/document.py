"""Documents that plugins ship."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from composer.plugin.declarations.base import Declaration

__all__ = ["Document"]


@dataclass(frozen=True)
class Document(Declaration):
    """A document that a plugin ships, found by name in `extends`, `check`, `run`."""

    noun: ClassVar[str] = "document"
    path: Path
    summary: str = ""
    weights: Path | None = None
