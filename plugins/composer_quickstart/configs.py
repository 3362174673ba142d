"""The configs of the quick start's datasets."""

from __future__ import annotations

from composer.plugin import Config

__all__ = ["EasyVqaConfig", "MovingDigitsConfig"]


class EasyVqaConfig(Config):
    """easy-VQA with its official test split."""

    validation: float = 0.1
    """Part of the official training pictures that is held out for choices."""
    seed: int = 0
    """Draws the held-out pictures."""
    pictures: int | None = None
    """At most so many pictures per split; all of them when not given."""


class MovingDigitsConfig(Config):
    """scikit-learn's digits, moving over a noisy ground in one of eight directions."""

    frames: int = 8
    """Frames of a clip."""
    size: int = 32
    """Height and width of a frame in pixels."""
    clips: int = 3000
    """Training clips drawn anew for each epoch."""
    seed: int = 0
    """Splits the digits and draws the clips."""
    noise: float = 0.08
    """Standard deviation of the ground's noise, as a part of full brightness."""
