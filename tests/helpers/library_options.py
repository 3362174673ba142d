"""What options of transformers' `generate` are called here."""

from __future__ import annotations

__all__ = ["OURS"]

OURS = {
    "repetition_penalty": "repetition_penalty",
    "no_repeat_ngram_size": "no_repeat_ngram",
    "bad_words_ids": "forbidden",
    "forced_bos_token_id": "first",
    "forced_eos_token_id": "last",
    "num_beams": "beams",
    "length_penalty": "length_penalty",
    "early_stopping": "early_stop",
    "stop_strings": "stop",
    **{name: name for name in ("temperature", "top_k", "top_p", "min_p")},
}
"""Option of the library to option of ours."""
