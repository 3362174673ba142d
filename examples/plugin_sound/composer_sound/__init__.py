"""Plugin entry module: what `sound` offers. Imports no torch, so that documents are checked at once."""

from __future__ import annotations

from composer.plugin import Register, hookimpl
from composer_sound.declared import ACCURACY, DOCUMENT, ENCODER, LOG_MEL, SOUND, SPOKEN, WRITTEN

__all__ = ["composer_register"]


@hookimpl
def composer_register(register: Register) -> None:
    """Register what this plugin offers."""
    register(LOG_MEL, SOUND, ENCODER, SPOKEN, WRITTEN, ACCURACY, DOCUMENT)
