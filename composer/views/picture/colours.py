"""Colours: one per shared module or engine, and those of what is no engine; each in a light and a dark form."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

__all__ = ["ALARM", "NEUTRAL", "OUTSIDE", "PLAIN", "WARNING", "Colour", "colour", "cool_colour"]

_HUES = (210, 28, 130, 275, 178, 335, 50, 0)
_COOL_HUES = (210, 130, 275, 178, 240, 95, 155, 305)
_GOLDEN = 137.508


@dataclass(frozen=True)
class Colour:
    """Fill and outline on a light and on a dark page, as `#rrggbb`."""

    fill: str
    line: str
    dark_fill: str
    dark_line: str


def colour(index: int) -> Colour:
    """The colour of the shared module with this number; beyond the eighth the hues go round by the golden angle."""
    hue = _HUES[index] if index < len(_HUES) else (index * _GOLDEN) % 360
    return Colour(_hex(hue, 0.68, 0.86), _hex(hue, 0.62, 0.36), _hex(hue, 0.42, 0.25), _hex(hue, 0.60, 0.68))


def cool_colour(index: int) -> Colour:
    """As `colour`, between green and violet: never to be taken for a warning."""
    hue = _COOL_HUES[index] if index < len(_COOL_HUES) else 90 + (index * _GOLDEN) % 220
    return Colour(_hex(hue, 0.68, 0.86), _hex(hue, 0.62, 0.36), _hex(hue, 0.42, 0.25), _hex(hue, 0.60, 0.68))


def _hex(hue: float, saturation: float, lightness: float) -> str:
    parts = colorsys.hls_to_rgb(hue / 360, lightness, saturation)
    return "#" + "".join(f"{round(part * 255):02x}" for part in parts)


NEUTRAL = Colour("#eceff3", "#7b8794", "#2b313a", "#8b97a5")
PLAIN = Colour("#ffffff", NEUTRAL.line, "#14171c", NEUTRAL.dark_line)
OUTSIDE = Colour("#c9d1da", "#4d5966", "#475260", "#b4bfcc")
WARNING = Colour("#ffcf7d", "#9a5b00", "#7a4c06", "#ffc46b")
ALARM = Colour("#f59a8d", "#a3201a", "#8a2a22", "#ff9c8f")
