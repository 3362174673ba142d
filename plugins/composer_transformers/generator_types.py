"""The module types that write text: decoder-only models, and encoders with decoders."""

from __future__ import annotations

from composer.plugin import ModuleType

__all__ = ["GENERATORS"]

GENERATORS: tuple[ModuleType, ...] = ()
