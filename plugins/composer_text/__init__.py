"""Plugin entry module of the text modality. Imports no torch and no tokenizers library."""

from __future__ import annotations

from composer.plugin import Register, hookimpl
from composer_text.modality import TEXT

__all__ = ["composer_register"]


@hookimpl
def composer_register(register: Register) -> None:
    """Register the modality `text`."""
    register(TEXT)
