"""Plugin entry module of the text modality. Imports no torch and no tokenizers library."""

from __future__ import annotations

from composer.plugin import Register, hookimpl
from composer_text.modality import TEXT
from composer_text.prompt import PROMPT

__all__ = ["composer_register"]


@hookimpl
def composer_register(register: Register) -> None:
    """Register the modalities `text` and `prompt`."""
    register(TEXT, PROMPT)
