"""Plugin entry module of the image and video modalities. Imports no torch, no Pillow and no PyAV."""

from __future__ import annotations

from composer.plugin import Register, hookimpl
from composer_vision.modalities import IMAGE, VIDEO

__all__ = ["composer_register"]


@hookimpl
def composer_register(register: Register) -> None:
    """Register the modalities `image` and `video`."""
    register(IMAGE, VIDEO)
