"""The config of `transformers.seq2seq`: a family with its sizes, or the folder of a published model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field, JsonValue

from composer_transformers.causal_config import CausalConfig
from composer_transformers.families import SEQ2SEQ_FAMILIES, Family

__all__ = ["Seq2SeqConfig"]


class Seq2SeqConfig(CausalConfig):
    """`with` of `transformers.seq2seq`: `family` (t5, bart, marian, whisper) with `config`, or `folder`."""

    families: ClassVar[Mapping[str, Family]] = SEQ2SEQ_FAMILIES
    opening: ClassVar[tuple[str, ...]] = ("decoder_start", "pad")
    family: str | None = None
    """A family of encoders with decoders: t5, bart, marian; whisper hears."""
    config: dict[str, JsonValue] = Field(default_factory=dict)
    """With `family`: the sizes, by the names of transformers (`d_model`, `num_layers`, ...)."""
    start: int | None = Field(default=None, ge=0)
    """Id that stands before a reply; left out, the config's decoder_start_token_id, or else the pad."""
