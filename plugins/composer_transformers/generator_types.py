"""The module types that write text: decoder-only models, and encoders with decoders."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from composer.plugin import Generation, Method, ModuleType
from composer.problems import InputError
from composer_transformers import causal_signatures as causal
from composer_transformers import seq2seq_signatures as seq2seq
from composer_transformers.audio_preparation import recordings
from composer_transformers.causal_config import CausalConfig
from composer_transformers.model_folder import preprocessor_config_of
from composer_transformers.seq2seq_config import Seq2SeqConfig

__all__ = ["GENERATORS"]

_SIZES = {
    "vocab_size": 120,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 48,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
_GROUPED = {**_SIZES, "num_key_value_heads": 2, "intermediate_size": 48}
_SLIDING = {**_GROUPED, "head_dim": 8, "sliding_window": 4}
_EXAMPLES = (
    {"family": "llama", "config": _GROUPED},
    {"family": "qwen2", "config": {**_GROUPED, "tie_word_embeddings": True}},
    {"family": "qwen3", "config": _GROUPED},
    {"family": "mistral", "config": _SLIDING},
    {"family": "gemma3", "config": {**_SLIDING, "layer_types": ["sliding_attention", "full_attention"]}},
    {"family": "gpt2", "config": _SIZES},
    {
        "family": "qwen2_vl",
        "config": {**_GROUPED, "rope_parameters": {"rope_type": "default", "mrope_section": [1, 1, 2]}},
    },
)
"""Small, and large enough that no two dims are equal by chance."""


def _made_for(config: CausalConfig) -> Mapping[str, Mapping[str, Any]]:
    """Texts are split by the tokenizer that the module was told, or that lies in its folder; recordings are heard as
    its preprocessor says.
    """
    tokenizer = config.own_tokenizer
    found = {} if tokenizer is None else {name: {"tokenizer": tokenizer} for name in ("text", "prompt")}
    if not config.row.hears:
        return found
    facts = config.facts
    where = f"the preprocessor of {config.folder}"
    try:
        said = preprocessor_config_of(Path(config.folder)) if config.folder is not None else {}
        heard = recordings("mels", said, where=where, bins=facts.bins, frames=facts.frames)
    except ValueError as error:  # of a file in the folder
        raise InputError(str(error)) from None
    return {**found, "audio": heard}


CAUSAL_LM = ModuleType(
    "transformers.causal_lm",
    CausalConfig,
    {
        "forward": Method(causal.score, summary="Scores of the next token at every position of a text."),
        "embed": Method(
            causal.embed, attribute="embed", summary="Tokens as states, into which media can be put."
        ),
        "score": Method(
            causal.score_states, attribute="score", summary="The same scores of what `embed` gave."
        ),
        "teach": Method(
            causal.teach,
            attribute="teach",
            summary="Scores of every token of a reply to a prompt, of which it sees those before: for training.",
        ),
        "hidden": Method(
            causal.hidden,
            attribute="hidden",
            summary="The states of the last layer, normalised: a text that is read.",
        ),
    },
    "composer_transformers.causal_model:build_causal_lm",
    "A decoder-only language model: llama, smollm, qwen2, qwen3, mistral, gemma3, gpt2, qwen2_vl, qwen2_5_vl.",
    made_for=_made_for,
    layout=lambda config: "transformers-lm",
    generation=Generation(causal.generate, CausalConfig.vocabulary, prompt=("prompt", "positions")),
    examples=_EXAMPLES,
)

_SHORT = {"vocab_size": 120, "d_model": 32, "pad_token_id": 0, "eos_token_id": 2, "decoder_start_token_id": 1}
_BART = {
    **_SHORT,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 48,
    "decoder_ffn_dim": 48,
    "max_position_embeddings": 48,
}

_WHISPER = {
    **_BART,
    "bos_token_id": 1,
    "num_mel_bins": 12,
    "max_source_positions": 9,
    "max_target_positions": 48,
}
del _WHISPER["max_position_embeddings"]

SEQ2SEQ = ModuleType(
    "transformers.seq2seq",
    Seq2SeqConfig,
    {
        "forward": Method(
            seq2seq.encode,
            attribute="encode",
            summary="The states of a text, or of what is heard, as a decoder's memory.",
        ),
        "teach": Method(
            seq2seq.teach,
            attribute="teach",
            summary="Scores of every token of a reply to a memory, of which it sees those before: for training.",
        ),
    },
    "composer_transformers.seq2seq_model:build_seq2seq",
    "An encoder with a decoder that reads it: t5, bart, marian; whisper, which hears.",
    made_for=_made_for,
    layout=lambda config: "transformers-seq2seq",
    generation=Generation(seq2seq.generate, Seq2SeqConfig.vocabulary, own_start=True),
    examples=(
        {
            "family": "t5",
            "config": {
                **_SHORT,
                "d_kv": 8,
                "d_ff": 48,
                "num_layers": 2,
                "num_decoder_layers": 2,
                "num_heads": 4,
            },
        },
        {"family": "bart", "config": _BART},
        {"family": "marian", "config": _BART},
        {"family": "whisper", "config": _WHISPER},
    ),
)

GENERATORS: tuple[ModuleType, ...] = (CAUSAL_LM, SEQ2SEQ)
