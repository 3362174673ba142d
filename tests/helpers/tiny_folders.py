"""Folders of tiny models as transformers publishes them: random weights, config, tokenizer, ends of texts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import transformers
from composer_transformers.families import GENERATOR_FAMILIES
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

WORDS = 96
MARKS = ("<pad>", "<s>", "</s>", "<image>")
PAD, START, END, IMAGE = range(4)
SIZES = {
    "vocab_size": WORDS + len(MARKS),
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 256,
    "pad_token_id": PAD,
    "bos_token_id": START,
    "eos_token_id": END,
    "initializer_range": 0.35,
}
"""Weights so large that the tokens of a text depend on what was there before."""
GROUPED = {**SIZES, "num_key_value_heads": 2, "intermediate_size": 48}
CONFIGS: dict[str, dict[str, Any]] = {
    "llama": GROUPED,
    "llama-ropes": {
        **GROUPED,
        "tie_word_embeddings": True,
        "rope_parameters": {
            "rope_type": "llama3",
            "rope_theta": 10000.0,
            "factor": 8.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 16,
        },
    },
    "qwen2": {**GROUPED, "tie_word_embeddings": True},
    "qwen2-yarn": {
        **GROUPED,
        "rope_parameters": {
            "rope_type": "yarn",
            "rope_theta": 10000.0,
            "factor": 4.0,
            "original_max_position_embeddings": 8,
        },
    },
    "qwen3": {**GROUPED, "head_dim": 16},
    "mistral": {**GROUPED, "sliding_window": 5},
    "gemma3": {
        **GROUPED,
        "head_dim": 16,
        "query_pre_attn_scalar": 16,
        "sliding_window": 5,
        "layer_types": ["sliding_attention", "full_attention"],
        "final_logit_softcapping": 3.0,
    },
    "gpt2": {**SIZES, "scale_attn_by_inverse_layer_idx": True},
}
SHORT = {
    "vocab_size": WORDS + len(MARKS),
    "d_model": 32,
    "pad_token_id": PAD,
    "eos_token_id": END,
    "bos_token_id": START,
    "dropout": 0.0,
}
BART = {
    **SHORT,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 48,
    "decoder_ffn_dim": 48,
    "max_position_embeddings": 64,
    "init_std": 0.35,
    "forced_eos_token_id": None,
}
SEQ2SEQ_CONFIGS: dict[str, dict[str, Any]] = {
    "t5": {
        **{name: value for name, value in SHORT.items() if name not in ("bos_token_id", "dropout")},
        "d_kv": 8,
        "d_ff": 48,
        "num_layers": 2,
        "num_decoder_layers": 2,
        "num_heads": 4,
        "decoder_start_token_id": PAD,
        "initializer_factor": 4.0,
        "feed_forward_proj": "gated-gelu",
    },
    "bart": {**BART, "decoder_start_token_id": END, "scale_embedding": True},
    "marian": {**BART, "decoder_start_token_id": PAD},
    "whisper": {
        **{
            name: value
            for name, value in BART.items()
            if name not in ("max_position_embeddings", "forced_eos_token_id")
        },
        "decoder_start_token_id": START,
        "num_mel_bins": 6,
        "max_source_positions": 10,
        "max_target_positions": 64,
        "suppress_tokens": None,
        "begin_suppress_tokens": None,
    },
}


def save_tokenizer(folder: Path) -> None:
    """Words `w0`, `w1`, ... behind the special tokens."""
    words = {mark: number for number, mark in enumerate(MARKS)}
    words |= {f"w{number}": number + len(MARKS) for number in range(WORDS)}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="w0"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.decoder = decoders.WordPiece(prefix="##", cleanup=False)
    tokenizer.add_special_tokens([AddedToken(mark) for mark in MARKS])
    tokenizer.save(str(folder / "tokenizer.json"))


def tiny_model(name: str) -> Any:
    """A model of the library with random weights, the same ones each time."""
    family = GENERATOR_FAMILIES[name.partition("-")[0]]
    config = getattr(transformers, family.config_class)(**{**CONFIGS, **SEQ2SEQ_CONFIGS}[name])
    torch.manual_seed(5)
    model = getattr(transformers, family.whole_class)(config).eval()
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            if "norm" in key or "ln_" in key or key.endswith("bias"):
                parameter.add_(torch.randn_like(parameter) * 0.2)
    return model


def save_folder(folder: Path, name: str, *, chat: bool = False) -> Any:
    """Write a model to a folder, with a chat template if asked for; the model."""
    model = tiny_model(name)
    model.save_pretrained(folder)
    save_tokenizer(folder)
    if chat:
        turns = "{% for message in messages %}w1 {{ message.content }} {% endfor %}w2"
        (folder / "chat_template.jinja").write_text(turns)
    return model
