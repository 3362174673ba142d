"""Plugin entry module of composer_mplug2: mPLUG-2's modules, checkpoint layout and search. Imports no torch."""

from __future__ import annotations

from composer.plugin import Register, SearchPolicy, hookimpl
from composer_mplug2.annotations import FORMATS
from composer_mplug2.configs import SearchConfig
from composer_mplug2.layout import LAYOUTS
from composer_mplug2.module_types import MODULE_TYPES

__all__ = ["composer_register"]


@hookimpl
def composer_register(register: Register) -> None:
    """Register the mPLUG-2 module types, its layouts, formats of data and search policy."""
    register(*MODULE_TYPES, *LAYOUTS, *FORMATS)
    register(
        SearchPolicy(
            "mplug2.beam",
            "composer_mplug2.search:Mplug2Search",
            "Beam search as published: a length penalty at every step, and the best beam ends the search.",
            config=SearchConfig,
            beams=lambda config: int(config.beams),
            streams=lambda config: True,
            normalises=True,
            examples=(
                {"beams": 1},
                {"beams": 3},
                {"beams": 3, "repetition_penalty": 1.5, "no_repeat_ngram": 2},
            ),
            formerly="mplug2",
        )
    )
