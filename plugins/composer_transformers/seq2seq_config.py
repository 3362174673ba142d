"""The config of `transformers.seq2seq`: a family with its sizes, or the folder of a published model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from composer_transformers.causal_config import CausalConfig
from composer_transformers.families import SEQ2SEQ_FAMILIES, Family

__all__ = ["Seq2SeqConfig"]


class Seq2SeqConfig(CausalConfig):
    """`with` of `transformers.seq2seq`: `family` (t5, bart, marian) and `config`, or `folder`, as of a causal_lm."""

    families: ClassVar[Mapping[str, Family]] = SEQ2SEQ_FAMILIES
    opening: ClassVar[tuple[str, ...]] = ("decoder_start", "pad")
