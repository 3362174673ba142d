"""The families of models that write text: one row each. Imports neither transformers nor torch."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["CAUSAL_FAMILIES", "GENERATOR_FAMILIES", "SEQ2SEQ_FAMILIES", "Family"]


@dataclass(frozen=True)
class Family:
    """One row: how a family is called here and in transformers. Its sizes are read by the library's own names."""

    name: str
    """As documents write it."""
    model_type: str
    """As a published config.json writes it."""
    config_class: str
    trunk_class: str
    """The model without its head."""
    whole_class: str
    """The model with its head, whose names published checkpoints have."""
    trunk: str = "model"
    """The attribute that holds the trunk, with which the keys of a checkpoint begin."""
    learned_positions: bool = False
    """Whether there is a table of positions, beyond which the model cannot go."""
    positions: str = "max_position_embeddings"
    """The key of a config that says how many positions a text can have."""
    inside: str = ""
    """The model type of a larger model whose `text_config` is one of this family."""
    axes: int = 1
    """Along how many axes its rotary positions are given."""
    hears: bool = False
    """Whether its encoder reads the frames of a log-mel spectrogram, and not tokens."""


def _rows(*families: Family) -> dict[str, Family]:
    return {family.name: family for family in families}


CAUSAL_FAMILIES = _rows(
    Family("llama", "llama", "LlamaConfig", "LlamaModel", "LlamaForCausalLM"),
    Family("smollm", "llama", "LlamaConfig", "LlamaModel", "LlamaForCausalLM"),
    Family("qwen2", "qwen2", "Qwen2Config", "Qwen2Model", "Qwen2ForCausalLM"),
    Family("qwen3", "qwen3", "Qwen3Config", "Qwen3Model", "Qwen3ForCausalLM"),
    Family("mistral", "mistral", "MistralConfig", "MistralModel", "MistralForCausalLM"),
    Family(
        "gemma3", "gemma3_text", "Gemma3TextConfig", "Gemma3TextModel", "Gemma3ForCausalLM", inside="gemma3"
    ),
    Family(
        "qwen2_vl",
        "qwen2_vl_text",
        "Qwen2VLTextConfig",
        "Qwen2VLTextModel",
        "Qwen2VLForConditionalGeneration",
        inside="qwen2_vl",
        axes=3,
    ),
    Family(
        "qwen2_5_vl",
        "qwen2_5_vl_text",
        "Qwen2_5_VLTextConfig",
        "Qwen2_5_VLTextModel",
        "Qwen2_5_VLForConditionalGeneration",
        inside="qwen2_5_vl",
        axes=3,
    ),
    Family("gpt2", "gpt2", "GPT2Config", "GPT2Model", "GPT2LMHeadModel", "transformer", True),
)
"""Decoder-only models, by the name that documents write."""

SEQ2SEQ_FAMILIES = _rows(
    Family("t5", "t5", "T5Config", "T5Model", "T5ForConditionalGeneration"),
    Family("bart", "bart", "BartConfig", "BartModel", "BartForConditionalGeneration", learned_positions=True),
    Family("marian", "marian", "MarianConfig", "MarianModel", "MarianMTModel", learned_positions=True),
    Family(
        "whisper",
        "whisper",
        "WhisperConfig",
        "WhisperModel",
        "WhisperForConditionalGeneration",
        learned_positions=True,
        positions="max_target_positions",
        hears=True,
    ),
)
"""Encoders with decoders."""

GENERATOR_FAMILIES = {**CAUSAL_FAMILIES, **SEQ2SEQ_FAMILIES}
