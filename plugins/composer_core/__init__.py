"""Plugin entry module of the base kinds and the module types that belong to no model. Imports no torch."""

from __future__ import annotations

from composer.plugin import Register, SearchPolicy, hookimpl
from composer_core.arrays import ARRAY
from composer_core.configs import BeamConfig
from composer_core.kinds import KINDS
from composer_core.module_types import MODULE_TYPES

__all__ = ["composer_register"]


SEARCHES = (
    SearchPolicy(
        "core.greedy",
        "composer_core.search:BeamSearch",
        "The most probable token at every step.",
        streams=lambda config: True,
    ),
    SearchPolicy(
        "core.beam",
        "composer_core.search:BeamSearch",
        "Beam search over summed log-probabilities, without a length penalty.",
        config=BeamConfig,
        beams=lambda config: int(config.beams),
        streams=lambda config: config.beams == 1,
        examples=({"beams": 1}, {"beams": 3}),
        formerly="none",
    ),
)


@hookimpl
def composer_register(register: Register) -> None:
    """Register the base kinds, the core module types, the modality `array` and the plain searches."""
    register(*KINDS, *MODULE_TYPES, ARRAY, *SEARCHES)
