"""The configs of the core module types."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from composer.plugin import Config

__all__ = [
    "LayerNormConfig",
    "LinearConfig",
    "PoolConfig",
    "SelectConfig",
    "SimilarityConfig",
    "TokenLossConfig",
]


class LinearConfig(Config):
    """`with` of `core.linear`."""

    input_dim: int | None = Field(default=None, ge=1)
    """Width of what comes in; left out, it is what the calls of the module agree on."""
    output_dim: int = Field(ge=1)
    """Width of what goes out."""
    bias: bool = True
    """Whether a learned offset is added."""


class LayerNormConfig(Config):
    """`with` of `core.layer_norm`."""

    dim: int | None = Field(default=None, ge=1)
    """Width of the states; left out, it is what the calls of the module agree on."""
    eps: float = Field(default=1e-5, gt=0)
    """Added to the variance; BERT models use 1e-12."""


class SelectConfig(Config):
    """`with` of `core.select`."""

    position: int = Field(default=0, ge=0)
    """The position that is taken, counted from 0 (where a [CLS] state stands)."""


class PoolConfig(Config):
    """`with` of `core.pool`."""

    how: Literal["mean", "max"] = "mean"
    """What is taken over the visible positions."""


class SimilarityConfig(Config):
    """`with` of `core.similarity`."""

    scale: float = Field(default=1.0, gt=0)
    """Factor of every score: the inverse of a softmax temperature."""


class TokenLossConfig(Config):
    """`with` of `core.token_loss`."""

    shift: bool = False
    """Whether position i is scored against label i + 1, as a decoder that reads its own targets needs."""
