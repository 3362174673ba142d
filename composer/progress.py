"""How long work takes, for people: so often it says that it is alive, and what is left of it."""

from __future__ import annotations

__all__ = ["LINE_EVERY_S", "shown_seconds"]

LINE_EVERY_S = 60.0
"""Where no one watches, long work says so often that it is alive."""


def shown_seconds(seconds: float) -> str:
    """`45 s`, `12 min`, `3 h 20 min`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
