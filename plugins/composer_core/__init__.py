"""Plugin entry module of the core parts: base kinds and the module types that belong to no model. Imports no torch."""

from __future__ import annotations

from composer.plugin import Register, hookimpl

__all__ = ["composer_register"]


@hookimpl
def composer_register(register: Register) -> None:
    """Register the base kinds and the core module types."""
    from composer_core.kinds import KINDS
    from composer_core.module_types import MODULE_TYPES

    register(*KINDS, *MODULE_TYPES)
