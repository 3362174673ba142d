"""Plugin entry module of the base kinds and the module types that belong to no model. Imports no torch."""

from __future__ import annotations

from composer.plugin import Register, SearchPolicy, hookimpl
from composer_core.arrays import ARRAY
from composer_core.kinds import KINDS
from composer_core.module_types import MODULE_TYPES

__all__ = ["composer_register"]


PLAIN_SEARCH = SearchPolicy(
    "none",
    "composer_core.search:BeamSearch",
    "Greedy or beam search over summed log-probabilities, without a length penalty.",
)


@hookimpl
def composer_register(register: Register) -> None:
    """Register the base kinds, the core module types, the modality `array` and the plain search."""
    register(*KINDS, *MODULE_TYPES, ARRAY, PLAIN_SEARCH)
