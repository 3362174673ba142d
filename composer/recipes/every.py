"""How often: `500 steps`, `10 minutes`, `1 epoch`."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["EVERY", "Every"]

EVERY = r"^[1-9][0-9]{0,8} (step|minute|epoch)s?$"
UNITS = ("steps", "minutes", "epochs")


@dataclass(frozen=True)
class Every:
    """A count of one of the units."""

    count: int
    unit: str

    @classmethod
    def of(cls, text: str, units: tuple[str, ...] = UNITS) -> Every:
        """Raises ValueError that says what to write."""
        match = re.fullmatch(EVERY, text.strip())
        found = None if match is None else cls(int(text.split(maxsplit=1)[0]), f"{match.group(1)}s")
        if found is None or found.unit not in units:
            samples = {"steps": "500 steps", "minutes": "10 minutes", "epochs": "1 epoch"}
            wanted = " or ".join(f"`{samples[unit]}`" for unit in units)
            raise ValueError(f"write how often as {wanted}, not `{text}`")
        return found
