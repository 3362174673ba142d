"""The names that llama.cpp gives the tensors of a language model, and those that transformers gives them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from composer.plugin import Layout, Rule

__all__ = ["GGUF"]

_OF_BLOCKS = {
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
"""llama.cpp's `gguf-py/gguf/constants.py` (TENSOR_NAMES), and the names of transformers' `Qwen3ForCausalLM`."""


def _rules(parameters: Mapping[str, Any]) -> tuple[Rule, ...]:
    of_blocks = [
        Rule(rf"blk\.(\d+)\.{theirs}\.(weight|bias)", rf"model.layers.\1.{ours}.\2")
        for theirs, ours in _OF_BLOCKS.items()
    ]
    return (
        Rule(r"token_embd\.weight", "model.embed_tokens.weight"),
        Rule(r"output_norm\.weight", "model.norm.weight"),
        Rule(r"output\.weight", "lm_head.weight"),
        Rule(r"rope_freqs\.weight", None, "the config says the frequencies of positions"),
        *of_blocks,
    )


GGUF = Layout(
    "gguf",
    "Language models of llama.cpp (llama, qwen2, qwen3): names of tensors; `composer import` makes a model folder.",
    _rules,
    folder="composer_transformers.gguf_folder:write_folder",
)
