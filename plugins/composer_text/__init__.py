"""Plugin entry module of composer_text. Imports no torch."""

from __future__ import annotations

from composer.plugin import Register, hookimpl


@hookimpl
def composer_register(register: Register) -> None:
    """Register what this plugin offers."""
