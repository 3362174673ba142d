"""Colours: one per shared module, in a light and a dark form with the same text contrast."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

__all__ = ["NEUTRAL", "Colour", "colour"]

_HUES = (210, 28, 130, 275, 178, 335, 50, 0)
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


def _hex(hue: float, saturation: float, lightness: float) -> str:
    parts = colorsys.hls_to_rgb(hue / 360, lightness, saturation)
    return "#" + "".join(f"{round(part * 255):02x}" for part in parts)


NEUTRAL = Colour("#eceff3", "#7b8794", "#2b313a", "#8b97a5")
