"""The configs of the core module types."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator
from typing_extensions import Self

from composer.plugin import Config
from composer_core.names import read_names

__all__ = [
    "ActivationConfig",
    "ArgmaxConfig",
    "BeamConfig",
    "ContrastiveConfig",
    "DropoutConfig",
    "LayerNormConfig",
    "LinearConfig",
    "PoolConfig",
    "SelectConfig",
    "SimilarityConfig",
    "TokenLossConfig",
    "TopKConfig",
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


class DropoutConfig(Config):
    """`with` of `core.dropout`."""

    rate: float = Field(default=0.1, ge=0, lt=1)
    """Share of values dropped while training; the others grow by as much. Answering drops none."""
    of: Literal["states", "embedding"] = "states"
    """What it works on, which is the kind and the name of its ports."""


class ActivationConfig(Config):
    """`with` of `core.activation`."""

    function: Literal["gelu", "gelu_tanh", "relu", "silu", "tanh", "sigmoid"] = "gelu"
    """What every value goes through; `gelu_tanh` is the approximation that GPT-2 uses."""
    of: Literal["states", "embedding"] = "states"
    """What it works on, which is the kind and the name of its ports."""


class ArgmaxConfig(Config):
    """`with` of `core.argmax`."""

    names: list[str] | None = None
    """Names of the classes in their order: a list, or a file beside the document with one name a line."""

    @field_validator("names", mode="before")
    @classmethod
    def _read_names(cls, value: object, info: ValidationInfo) -> object:
        return read_names(value, info)


class TopKConfig(ArgmaxConfig):
    """`with` of `core.top_k`."""

    k: int = Field(default=5, ge=1)
    """How many classes are given, best first."""

    @model_validator(mode="after")
    def _enough_names(self) -> Self:
        if self.names is not None and self.k > len(self.names):
            raise ValueError(f"k {self.k} is more than the {len(self.names)} classes that names has")
        return self


class ContrastiveConfig(Config):
    """`with` of `core.contrastive`."""

    temperature: float = Field(default=0.07, gt=0)
    """What cosines are divided by when training starts; it is learned."""
    least_temperature: float = Field(default=0.01, gt=0)
    """The temperature does not fall below this."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.temperature < self.least_temperature:
            raise ValueError(
                f"temperature {self.temperature} is below least_temperature {self.least_temperature}"
            )
        return self


class BeamConfig(Config):
    """`with` of the search `core.beam`."""

    beams: int = Field(default=5, ge=1)
    """Texts of each sample that are followed at a time; 1 is greedy search, which can stream."""
