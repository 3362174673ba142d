"""The configs of the mPLUG-2 module types: what a document writes under `with`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator
from typing_extensions import Self

from composer.plugin import Config, TextRules, folder_of, is_file, refuse_all

__all__ = [
    "AnswerLossConfig",
    "BertConfig",
    "BoxTokensConfig",
    "DecoderConfig",
    "FusionConfig",
    "GroundingLossConfig",
    "MaskedHeadConfig",
    "NormConfig",
    "PromptConfig",
    "SearchConfig",
    "SequenceLossConfig",
    "SoftTokenLossConfig",
    "TextEncoderConfig",
    "UniversalConfig",
    "VisionConfig",
    "WidthAdapterConfig",
]

STEM_MULTIPLE = 4


class VisionConfig(Config):
    """`with` of `mplug2.vision_encoder`."""

    image_size: int = Field(ge=1)
    """Height and width of the square frames, in pixels."""
    patch_size: int = Field(ge=1)
    """Side of one patch, in pixels; divides `image_size`."""
    width: int = Field(ge=1)
    """Width of the states."""
    layers: int = Field(ge=0)
    """Blocks, each with spatial attention and, unless switched off, two local temporal modules; with 0 the patches
    alone, for a stack that comes after them."""
    heads: int | None = Field(default=None, ge=1)
    """Attention heads; unless given, one for every 64 of the width."""
    frames: int = Field(default=16, ge=1)
    """Frames of a clip. A picture has one and goes through the method `image`."""
    local_temporal: bool = True
    """False leaves out the local temporal modules: the two-dimensional path of a picture model."""
    temporal_downsampling: bool = False
    """Whether the patch embedding looks at three frames and moves on by `temporal_stride`."""
    temporal_stride: int = Field(default=2, ge=1)
    """Frames per step of the temporal downsampling."""
    stem: Literal["patch", "conv"] = "patch"
    """What makes patches of pixels: one linear map, or three convolutions per frame (better when trained on little)."""
    mlp_ratio: int = Field(default=4, ge=1)
    """Width of the feed-forward layers over the width of the states."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        refuse_all(self._faults())
        return self

    def _faults(self) -> Iterator[str]:
        if self.image_size % self.patch_size:
            yield f"image_size {self.image_size} is not a multiple of patch_size {self.patch_size}"
        if self.heads is None and self.width % 64:
            yield f"width {self.width} is not a multiple of 64: give `heads`, a divisor of it"
        elif self.width % self.num_heads:
            yield f"width {self.width} is not a multiple of heads {self.num_heads}"
        if self.stem == "conv" and (self.patch_size % STEM_MULTIPLE or self.width % STEM_MULTIPLE):
            yield "a conv stem needs a patch_size and a width that are multiples of 4"
        if self.stem == "conv" and self.temporal_downsampling:
            yield "a conv stem works frame by frame: it has no temporal_downsampling"
        if self.local_temporal and self.width % 2:
            yield f"width {self.width} is odd: local temporal modules work at half of it"

    @property
    def num_heads(self) -> int:
        return self.heads or self.width // 64

    @property
    def num_patches(self) -> int:
        """Patches of one frame."""
        return (self.image_size // self.patch_size) ** 2

    def num_steps(self, frames: int) -> int:
        """Frames that are left after the temporal downsampling of `frames`."""
        return (frames - 1) // self.temporal_stride + 1 if self.temporal_downsampling else frames


class WidthAdapterConfig(Config):
    """`with` of `mplug2.width_adapter`."""

    width: int = Field(ge=1)
    """Width of the vision states."""
    hidden: int = Field(ge=1)
    """Width of the text states, to which they are brought."""
    dropout: float = Field(default=0.1, ge=0, lt=1)
    """Share of values dropped while training."""


class NormConfig(Config):
    """`with` of `mplug2.residual_norm`."""

    hidden: int = Field(ge=1)
    """Width of the states."""
    dropout: float = Field(default=0.1, ge=0, lt=1)
    """Share of values dropped while training."""


class BertConfig(Config):
    """What every stack of BERT blocks has."""

    hidden: int = Field(ge=1)
    """Width of the states."""
    heads: int = Field(ge=1)
    """Attention heads; divides `hidden`."""
    intermediate: int | None = Field(default=None, ge=1)
    """Width inside the feed-forward layers; four times `hidden` unless given."""
    dropout: float = Field(default=0.1, ge=0, lt=1)
    """Share of values dropped while training."""
    attention_dropout: float = Field(default=0.1, ge=0, lt=1)
    """Share of attention weights dropped while training."""

    @model_validator(mode="after")
    def _heads_divide(self) -> Self:
        if self.hidden % self.heads:
            raise ValueError(f"hidden {self.hidden} is not a multiple of heads {self.heads}")
        return self

    @property
    def intermediate_dim(self) -> int:
        return self.intermediate or 4 * self.hidden


class TextEncoderConfig(BertConfig):
    """`with` of `mplug2.text_encoder`."""

    layers: int = Field(ge=0)
    """Text-only layers; the universal layers come after them and are not counted here."""
    vocabulary: int = Field(default=30522, ge=1)
    """Entries of the vocabulary."""
    positions: int = Field(default=512, ge=1)
    """Longest text, in tokens."""
    token_types: int = Field(default=2, ge=1)
    """Kinds of text segment."""


class UniversalConfig(BertConfig):
    """`with` of `mplug2.universal_layers`."""

    layers: int = Field(default=2, ge=1)
    """Layers that text and vision share."""
    latents: int = Field(default=50, ge=1)
    """Learned queries through which vision is read."""


class FusionConfig(BertConfig):
    """`with` of `mplug2.fusion`."""

    layers: int = Field(ge=1)
    """Layers that run."""
    stack: int | None = Field(default=None, ge=1)
    """Layers of the published stack, the last `layers` of which run; only a checkpoint layout needs it."""
    stride: int | None = Field(default=None, ge=1)
    """Every `stride`-th layer but the first attends over vision and text joined; null: none does."""

    @model_validator(mode="after")
    def _stack_holds(self) -> Self:
        if self.stack is not None and self.stack < self.layers:
            raise ValueError(f"layers {self.layers} cannot run out of a stack of {self.stack}")
        return self

    def connected(self, layer: int) -> bool:
        """Whether this layer (counted from 0 among those that run) attends over vision and text joined."""
        return self.stride is not None and layer > 0 and layer % self.stride == 0


class DecoderConfig(BertConfig):
    """`with` of `mplug2.text_decoder`."""

    layers: int = Field(ge=1)
    """Layers, each with causal self-attention and cross-attention to the memory."""
    vocabulary: int = Field(default=30522, ge=1)
    """Entries of the vocabulary."""
    positions: int = Field(default=512, ge=1)
    """Longest text, in tokens, with the start token."""
    token_types: int = Field(default=2, ge=1)
    """Kinds of text segment (the first is used)."""
    start: int = Field(default=101, ge=0)
    """Id that opens every text: [CLS]."""
    end: int = Field(default=102, ge=0)
    """Id that closes a text: [SEP]."""
    pad: int = Field(default=0, ge=0)
    """Id that fills a batch: [PAD]."""
    tokenizer: str = "bert-uncased"
    """Name or file of the vocabulary that turns ids into text."""

    @field_validator("tokenizer")
    @classmethod
    def _beside_the_document(cls, value: str, info: ValidationInfo) -> str:
        """A vocabulary file beside the document becomes absolute; a packaged name stays."""
        directory = folder_of(info)
        path = directory / value if directory is not None else None
        return str(path.absolute()) if path is not None and is_file(path) else value

    @model_validator(mode="after")
    def _ids_exist(self) -> Self:
        refuse_all(
            f"{name} {value} lies outside a vocabulary of {self.vocabulary} entries"
            for name, value in (("start", self.start), ("end", self.end), ("pad", self.pad))
            if value >= self.vocabulary
        )
        return self


class MaskedHeadConfig(Config):
    """`with` of `mplug2.masked_lm_head`."""

    hidden: int = Field(ge=1)
    """Width of the states."""
    vocabulary: int = Field(default=30522, ge=1)
    """Entries of the vocabulary."""


class SoftTokenLossConfig(Config):
    """`with` of the mPLUG-2 losses: how soft labels of a momentum model are mixed in."""

    alpha: float = Field(default=0.0, ge=0, le=1)
    """Weight of the soft labels; the published fine-tuning leaves it at 0."""
    soft_axis: Literal["sequence", "vocabulary"] = "sequence"
    """Axis of the soft labels' softmax: along the sequence as published, or over the `vocabulary` as was meant."""


class AnswerLossConfig(SoftTokenLossConfig):
    """`with` of `mplug2.answer_loss`."""

    distillation: Literal["published", "meant"] | None = None
    """How a momentum teacher counts, in a word: `published`, as the published training of question answering does it,
    which never hands `alpha` on, so that the teacher changes nothing; `meant`, as the paper says, soft labels over the
    vocabulary with the weight `alpha`. Left out, `alpha` and `soft_axis` say it."""


class SequenceLossConfig(SoftTokenLossConfig):
    """`with` of `mplug2.caption_loss`."""

    prompt_tokens: int = Field(default=0, ge=0)
    """First positions that are not scored: the start token and the prompt but its last token, as published."""


class BoxTokensConfig(Config):
    """`with` of `mplug2.box_tokens` and of `decoder.ground`: how a box is written as tokens."""

    prefix: int = Field(default=344, ge=0)
    """Id before the four coordinates: [unused339] of BERT's vocabulary."""
    first: int = Field(default=345, ge=0)
    """Id of the coordinate 0: [unused340]."""
    steps: int = Field(default=336, ge=1)
    """A coordinate of 1 is so many ids further; those between are its parts."""

    @property
    def end(self) -> int:
        """The id after the last coordinate."""
        return self.first + self.steps + 1


class GroundingLossConfig(BoxTokensConfig):
    """`with` of `mplug2.grounding_loss`."""

    weighting: Literal["published", "meant"] = "meant"
    """Which box weighs a sample's loss: `meant`, its own; `published`, all of the batch's, as the published code's
    shapes have it, so that the mean is that over all pairs of samples."""


class PromptConfig(Config):
    """`with` of `mplug2.strip_prompt`."""

    prompt: str = ""
    """What generated captions open with; empty leaves them as they are."""


class SearchConfig(TextRules):
    """`with` of the search `mplug2.beam`."""

    beams: int = Field(default=5, ge=1)
    """Texts of each sample that are followed at a time; 1 is greedy search."""
