"""The text modality: strings become tokens."""

from __future__ import annotations

from composer.plugin import Modality
from composer_text.configs import TextConfig

__all__ = ["TEXT"]


def _ports(config: TextConfig) -> dict[str, str]:
    return {"tokens": "tokens[B, L]"}


TEXT = Modality(
    "text",
    TextConfig,
    _ports,
    "composer_text.processor:TextProcessor",
    "A string, split into WordPiece tokens.",
)
