"""The layout of checkpoints of transformers whose keys are not those that the library writes today."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from composer.plugin import Layout, Rule

__all__ = ["LAYOUTS"]


def _rules(parameters: Mapping[str, Any]) -> tuple[Rule, ...]:
    """For one module, whose name the targets leave out (`weights: {file: ..., layout: transformers-lm}`)."""
    return (
        Rule(r".*\.rotary_emb\.inv_freq", None, "frequencies of rotary positions, which are computed"),
        Rule(
            r"(?:transformer\.)?h\.\d+\.attn\.(?:bias|masked_bias)",
            None,
            "masks of GPT-2, which are computed",
        ),
        Rule(r"(?:transformer\.)?((?:wte|wpe|h|ln_f)\..+)", r"transformer.\1"),
        Rule(r"(?:model\.)?language_model\.model\.(.+)", r"model.\1"),
        Rule(r"(?:model\.)?language_model\.lm_head\.(.+)", r"lm_head.\1"),
        Rule(r"(?:model\.)?language_model\.((?:embed_tokens|layers|norm)\..+)", r"model.\1"),
        Rule(r"(?:model\.)?((?:embed_tokens|layers|norm)\..+)", r"model.\1"),
        Rule(r"(lm_head\..+)", r"\1"),
        Rule(
            r"(?:model\.)?(?:vision_tower|multi_modal_projector|visual)\..+",
            None,
            "the eyes of a model of pictures and texts",
        ),
    )


def _seq2seq_rules(parameters: Mapping[str, Any]) -> tuple[Rule, ...]:
    return (
        Rule(r".*EncDecAttention\.relative_attention_bias\.weight", None, "a table that T5 never looked at"),
        Rule(
            r"(.*embed_positions\.weight)", r"\1", name="positions of sines, which are computed", spare=True
        ),
        Rule(r"(.*)", r"\1"),
    )


LAYOUTS: tuple[Layout, ...] = (
    Layout("transformers-seq2seq", "Older checkpoints of t5, bart and marian.", _seq2seq_rules),
    Layout(
        "transformers-lm",
        "Older checkpoints of language models, and those saved without their head or inside a model of pictures.",
        _rules,
    ),
)
