"""The configs of the core module types."""

from __future__ import annotations

from typing import Annotated, Literal, Union

from pydantic import Field, ValidationInfo, field_validator, model_validator
from typing_extensions import Self

from composer.plugin import Config, DrawRules, TextRules, refuse_all
from composer_core.names import read_class_names, read_names

__all__ = [
    "ActivationConfig",
    "ArgmaxConfig",
    "BeamConfig",
    "ChoicesConfig",
    "DropoutConfig",
    "GridPositionsConfig",
    "LayerNormConfig",
    "LinearConfig",
    "PerSampleConfig",
    "PoolConfig",
    "SampleConfig",
    "SelectConfig",
    "SimilarityConfig",
    "TokenLossConfig",
    "TopKConfig",
    "choice_ports",
]


class LinearConfig(Config):
    """`with` of `core.linear`."""

    input_dim: int | None = Field(default=None, ge=1)
    """Width of what comes in; left out, it is what the calls of the module agree on."""
    output_dim: int = Field(ge=1)
    """Width of what goes out."""
    bias: bool = True
    """Whether a learned offset is added."""


class ClassVectorsConfig(Config):
    """`with` of `core.class_vectors`."""

    classes: int = Field(ge=1)
    """How many classes there are."""
    width: int = Field(ge=1)
    """Width of the vector of each class."""


class GridPositionsConfig(Config):
    """`with` of `core.grid_positions`."""

    grid: list[Annotated[int, Field(ge=1)]] = Field(min_length=2, max_length=8)
    """How many places a medium has along each axis, the slowest first: `[1, 16, 16]` for time, height, width."""


class LayerNormConfig(Config):
    """`with` of `core.layer_norm`."""

    dim: int | None = Field(default=None, ge=1)
    """Width of the states; left out, it is what the calls of the module agree on."""
    eps: float = Field(default=1e-5, gt=0)
    """Added to the variance; BERT models use 1e-12."""


class SelectConfig(Config):
    """`with` of `core.select`."""

    position: int = Field(default=0, ge=0)
    """The position that is taken, counted from the first visible one, 0 (where a [CLS] state stands)."""


class PoolConfig(Config):
    """`with` of `core.pool`."""

    how: Literal["mean", "max"] = "mean"
    """What is taken over the visible positions."""


class SimilarityConfig(Config):
    """`with` of `core.similarity`."""

    scale: float = Field(default=1.0, gt=0)
    """Factor of every score: the inverse of a softmax temperature."""


class TokenLossConfig(Config):
    """`with` of `core.token_loss` and `core.text_loss`."""

    shift: bool = False
    """Whether position i is scored against label (or token) i + 1, as a decoder that reads its own targets needs."""


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


class PerSampleConfig(Config):
    """`with` of `core.per_sample`."""

    of: Literal["states", "embedding"] = "states"
    """What each value has: states, or one embedding, which becomes one state."""


class ArgmaxConfig(Config):
    """`with` of `core.argmax`."""

    names: list[str] | None = None
    """Names of the classes in their order: a list, or a file beside the document with one name a line."""

    @field_validator("names", mode="before")
    @classmethod
    def _read_names(cls, value: object, info: ValidationInfo) -> object:
        return read_class_names(value, info)


class TopKConfig(ArgmaxConfig):
    """`with` of `core.top_k`."""

    k: int = Field(default=5, ge=1)
    """How many classes are given, best first."""

    @model_validator(mode="after")
    def _enough_names(self) -> Self:
        if self.names is not None and self.k > len(self.names):
            raise ValueError(f"k {self.k} is more than the {len(self.names)} classes that names has")
        return self


class BeamConfig(TextRules):
    """`with` of the search `core.beam`."""

    beams: int = Field(default=5, ge=1)
    """Texts of each sample that are followed at a time; 1 is greedy search."""
    length_penalty: float = 0.0
    """Scores are divided by the number of tokens to this power: above 0 longer texts win more often."""
    count_first: bool = True
    """Whether the length that scores are divided by counts the tokens of `first`: a forced token counts, and what a
    decoder was given to begin with does not."""
    early_stop: Union[bool, Literal["never"]] = False
    """When a sample is over that has `beams` texts: true at once, false when its best open text is no better as long
    as it is, never when it cannot become better however long it grows."""
    groups: int = Field(default=1, ge=1)
    """Groups of equally many beams that search one after the other at every token."""
    diversity: float = Field(default=0.0, ge=0)
    """What a token loses for each beam of the groups before that has just taken it."""

    @model_validator(mode="after")
    def _hold_groups(self) -> Self:
        faults = []
        if self.beams % self.groups:
            fitting = [str(count) for count in range(1, self.beams + 1) if self.beams % count == 0]
            faults.append(
                f"groups {self.groups} does not divide beams {self.beams} into equal parts: "
                f"write one of {', '.join(fitting)}"
            )
        if self.diversity and self.groups == 1:
            faults.append(
                f"diversity {self.diversity} keeps groups apart, and groups is 1: write more groups"
            )
        refuse_all(faults)
        return self


class SampleConfig(DrawRules):
    """`with` of the search `core.sample`."""


class ChoicesConfig(Config):
    """`with` of the search `core.choices`."""

    answers: list[str]
    """The texts that may be answered: a list, or a file beside the document with one answer a line."""
    length_penalty: float = 0.0
    """Log-probabilities of answers are divided by their number of tokens to this power: with 1 long answers have the
    chances of short ones, with 0 an answer is as likely as the decoder is to write it."""

    @field_validator("answers", mode="before")
    @classmethod
    def _read_answers(cls, value: object, info: ValidationInfo) -> object:
        return read_names(value, info, noun="answer", plural="answers")


def choice_ports(config: ChoicesConfig) -> dict[str, str]:
    """What `core.choices` gives besides the answer: chances in the order of the list, and answers by their chances."""
    return {"probabilities": f"probabilities[B, {len(config.answers)}]", "ranking": "ranking[B]"}
