"""Plugin entry module of the base kinds and the module types that belong to no model. Imports no torch."""

from __future__ import annotations

from composer.plugin import Register, hookimpl
from composer_core.arrays import ARRAY
from composer_core.kinds import KINDS
from composer_core.module_types import MODULE_TYPES

__all__ = ["composer_register"]


@hookimpl
def composer_register(register: Register) -> None:
    """Register the base kinds, the core module types and the modality `array`."""
    register(*KINDS, *MODULE_TYPES, ARRAY)
