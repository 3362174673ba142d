"""The signatures of encoders with decoders: ports as functions of the config."""

from __future__ import annotations

from composer.plugin import GenerateOptions
from composer.problems import InputError
from composer.types import Signature
from composer_transformers.seq2seq_config import Seq2SeqConfig

__all__ = ["encode", "generate", "teach"]


def encode(config: Seq2SeqConfig) -> Signature:
    facts = config.facts
    if config.row.hears:
        return Signature(
            {"mels": f"states[B, {facts.frames}, {facts.bins}]"},
            {"states": f"states:audio[B, {facts.frames // 2}, {facts.width}]"},
        )
    return Signature(
        {"tokens": "tokens[B, N]"},
        {"states": f"states:text[B, N, {facts.width}]"},
        {"N": (1, facts.positions)},
        vocabulary={"tokens": facts.vocabulary},
    )


def teach(config: Seq2SeqConfig) -> Signature:
    facts = config.facts
    return Signature(
        {"memory": f"states[B, N, {facts.width}]", "reply": "tokens[B, L]"},
        {"logits": f"logits[B, L, {facts.vocabulary}]"},
        {"L": (1, facts.positions)},
        vocabulary={"reply": facts.vocabulary},
    )


def generate(config: Seq2SeqConfig, options: GenerateOptions) -> Signature:
    """Raises InputError where a text may grow longer than the decoder has positions for."""
    facts = config.facts
    if options.max_tokens > facts.positions:
        raise InputError(
            f"max_tokens {options.max_tokens} is more than the decoder's {facts.positions} positions; "
            f"lower it to {facts.positions}"
        )
    return Signature(
        {"memory": f"states[B, N, {facts.width}]"},
        {"text": "text[B]", "ids": "labels[B, L]", "score": "numbers[B]"},
        {"L": (2, options.max_tokens + 1)},
    )
