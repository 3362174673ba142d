"""The configs of the module types that objectives are made of: masking, prefixes, contrast, negatives."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator
from typing_extensions import Self

from composer.plugin import Config, refuse_all

__all__ = [
    "ContrastiveConfig",
    "HardNegativesConfig",
    "MaskTokensConfig",
    "NumberLossConfig",
    "PrefixSplitConfig",
    "RescoredConfig",
    "TopPairsConfig",
]


class ContrastiveConfig(Config):
    """`with` of `core.contrastive`."""

    temperature: float = Field(default=0.07, gt=0)
    """What cosines are divided by when training starts; it is learned."""
    least_temperature: float = Field(default=0.01, gt=0)
    """The temperature does not fall below this."""
    queue: int = Field(default=0, ge=0)
    """How many embeddings of samples before are kept of each side, as more candidates; with 0 the batch is all."""
    width: int | None = Field(default=None, ge=1)
    """Width of the embeddings, which the queue has room for."""
    alpha: float = Field(default=0.0, ge=0, le=1)
    """Weight of soft targets: what the teacher's own similarities say, where there is a teacher."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        faults = []
        if self.temperature < self.least_temperature:
            faults.append(
                f"temperature {self.temperature} is below least_temperature {self.least_temperature}"
            )
        if self.queue and self.width is None:
            faults.append(f"a queue of {self.queue} embeddings needs their `width`")
        refuse_all(faults)
        return self


class HardNegativesConfig(Config):
    """`with` of `core.hard_negatives`."""

    seed: int = Field(default=0, ge=0)
    """What the drawing begins with outside of training, so that a loss of validation is the same every time."""


class MaskTokensConfig(Config):
    """`with` of `core.mask_tokens`."""

    vocabulary: int = Field(default=30522, ge=1)
    """Entries of the vocabulary, of which random tokens are drawn."""
    mask: int = Field(default=103, ge=0)
    """Id that stands for a hidden token: [MASK]."""
    special: list[int] = Field(default=[0, 101, 102])
    """Ids that are never hidden and never drawn: [PAD], [CLS], [SEP]."""
    rate: float = Field(default=0.15, gt=0, le=1)
    """Share of the tokens that are to be told."""
    random: float = Field(default=0.1, ge=0, le=1)
    """Of these, the share in whose place a random token stands."""
    keep: float = Field(default=0.1, ge=0, le=1)
    """Of these, the share that stands as it is; all others become the mask."""
    seed: int = Field(default=0, ge=0)
    """What the drawing begins with outside of training, so that a loss of validation is the same every time."""

    @model_validator(mode="after")
    def _holds(self) -> Self:
        faults = [
            f"id {id_} lies outside a vocabulary of {self.vocabulary} entries"
            for id_ in (self.mask, *self.special)
            if not 0 <= id_ < self.vocabulary
        ]
        if self.random + self.keep > 1:
            faults.append(f"random {self.random} and keep {self.keep} are more than all together")
        refuse_all(faults)
        return self


class PrefixSplitConfig(Config):
    """`with` of `core.prefix_split`."""

    least: float = Field(default=0.0, ge=0, le=1)
    """Smallest share of a text that is its prefix."""
    most: float = Field(default=1.0, ge=0, le=1)
    """Largest share."""
    seed: int = Field(default=0, ge=0)
    """What the drawing begins with outside of training, so that a loss of validation is the same every time."""

    @model_validator(mode="after")
    def _rises(self) -> Self:
        if self.least > self.most:
            raise ValueError(f"least {self.least} is above most {self.most}")
        return self


class NumberLossConfig(Config):
    """`with` of `core.number_loss`."""

    of: Literal["squares", "distances"] = "squares"
    """What is averaged of the differences: their squares, or their absolute values."""


class TopPairsConfig(Config):
    """`with` of `core.top_pairs`."""

    top: int = Field(default=16, ge=1)
    """How many candidates of each query are kept, those with the highest scores."""


class RescoredConfig(Config):
    """`with` of `core.rescored`."""

    top: int = Field(default=16, ge=1)
    """How many candidates of each query were looked at more closely."""
    column: int = Field(default=1, ge=0)
    """The class whose score says that a pair belongs together."""
    add: bool = False
    """Whether the first score is added to the closer one."""
    others: float = -100.0
    """Score of the candidates that were not looked at."""
