"""The largest picture or frame that is decoded."""

from __future__ import annotations

from composer.problems import InputError

__all__ = ["MAX_PIXELS", "check_pixels"]

MAX_PIXELS = 100_000_000
"""The largest picture or frame that is decoded: 100 megapixels take 300 MB."""


def check_pixels(name: str, width: int, height: int) -> None:
    """Raise InputError for a size that would fill the memory when decoded."""
    if width * height > MAX_PIXELS:
        raise InputError(
            f"{name} has {width} x {height} pixels and {MAX_PIXELS:,} are allowed: scale it down first"
        )
