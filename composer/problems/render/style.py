"""Terminal colours, and when to use them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TextIO

__all__ = ["Style", "wants_color"]

_CODES: Mapping[str, str] = {
    "error": "1;31",
    "warning": "1;33",
    "title": "1",
    "gutter": "34",
    "secondary": "34",
    "help": "32",
}


@dataclass(frozen=True, slots=True)
class Style:
    """Paints text by its role; with `color` off the text stays as it is."""

    color: bool = False

    def paint(self, role: str, text: str) -> str:
        return f"\x1b[{_CODES[role]}m{text}\x1b[0m" if self.color and text else text


def wants_color(stream: TextIO, environment: Mapping[str, str] | None = None) -> bool:
    """Whether `stream` is a terminal that shows colours. `NO_COLOR` (any non-empty value) and `TERM=dumb` say no."""
    values = os.environ if environment is None else environment
    if values.get("NO_COLOR") or values.get("TERM") == "dumb":
        return False
    return stream.isatty()
