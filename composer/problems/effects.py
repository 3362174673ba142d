"""What a problem of a code does to its surroundings: what then follows from it, or can no longer be said."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Flag, auto
from types import MappingProxyType

__all__ = ["EFFECTS", "Effect", "effects_of"]


class Effect(Flag):
    """The effects that problems of one code have, together."""

    NONE = 0
    UNREADABLE = auto()
    """The text cannot be read as it stands."""
    SHAPELESS = auto()
    """The file is no longer what its sort of file is. No fix may bring this about."""
    SPOILS_ITS_PLACE = auto()
    """What is said of a value inside, or of one around, is a consequence."""
    HIDES_WHAT_IS_UNDER = auto()
    """What stands under the key is not looked at: its faults come to light once the key is right."""
    UNSETTLES = auto()
    """A part of what was written is not seen: nothing can be called unused."""
    NAMES_NOTHING = auto()
    """A name that nothing has. However many places write it, it is one mistake."""


EFFECTS: Mapping[str, Effect] = MappingProxyType(
    {
        "C001": Effect.UNREADABLE | Effect.SHAPELESS,
        "C002": Effect.UNREADABLE | Effect.SHAPELESS | Effect.SPOILS_ITS_PLACE | Effect.UNSETTLES,
        "C003": Effect.UNREADABLE | Effect.SHAPELESS | Effect.SPOILS_ITS_PLACE | Effect.UNSETTLES,
        "C004": Effect.UNREADABLE | Effect.SHAPELESS | Effect.SPOILS_ITS_PLACE | Effect.UNSETTLES,
        "C005": Effect.SHAPELESS,
        "C101": Effect.HIDES_WHAT_IS_UNDER | Effect.UNSETTLES,
        "C102": Effect.SHAPELESS | Effect.UNSETTLES,
        "C103": Effect.NAMES_NOTHING | Effect.UNSETTLES,
        "C109": Effect.UNSETTLES,
        "C110": Effect.UNSETTLES,
        "C201": Effect.NAMES_NOTHING,
        "C204": Effect.NAMES_NOTHING | Effect.UNSETTLES,
        "C205": Effect.NAMES_NOTHING,
        "C227": Effect.NAMES_NOTHING | Effect.UNSETTLES,
        "C228": Effect.UNSETTLES,
        "C230": Effect.UNSETTLES,
        "C266": Effect.NAMES_NOTHING,
    }
)
"""The effects of every code that has some."""


def effects_of(code: str) -> Effect:
    """The effects that problems of a code have."""
    return EFFECTS.get(code, Effect.NONE)
