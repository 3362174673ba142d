"""The signatures of decoder-only models: ports as functions of the config."""

from __future__ import annotations

from composer.plugin import GenerateOptions
from composer.problems import InputError
from composer.types import Signature
from composer_transformers.causal_config import CausalConfig

__all__ = ["embed", "generate", "hidden", "score", "score_states", "teach"]


def embed(config: CausalConfig) -> Signature:
    facts = config.facts
    return Signature(
        {"tokens": "tokens[B, L]"},
        {"states": f"states[B, L, {facts.width}]"},
        {"L": (1, facts.positions)},
        vocabulary={"tokens": facts.vocabulary},
    )


def _at(config: CausalConfig, length: str) -> dict[str, str]:
    """The port of positions, along each axis where there are several; left out, they are counted."""
    axes = config.row.axes
    return {"positions": f"labels[B, {length}]?" if axes == 1 else f"positions[B, {axes}, {length}]?"}


def score(config: CausalConfig) -> Signature:
    facts = config.facts
    return Signature(
        {"tokens": "tokens[B, L]", **_at(config, "L")},
        {"logits": f"logits[B, L, {facts.vocabulary}]"},
        {"L": (1, facts.positions)},
        vocabulary={"tokens": facts.vocabulary},
    )


def score_states(config: CausalConfig) -> Signature:
    facts = config.facts
    return Signature(
        {"states": f"states[B, L, {facts.width}]", **_at(config, "L")},
        {"logits": f"logits[B, L, {facts.vocabulary}]"},
        {"L": (1, facts.positions)},
    )


def hidden(config: CausalConfig) -> Signature:
    facts = config.facts
    port = f"states[B, L, {facts.width}]"
    return Signature({"states": port, **_at(config, "L")}, {"states": port}, {"L": (1, facts.positions)})


def teach(config: CausalConfig) -> Signature:
    facts = config.facts
    most = facts.positions // 2 if config.row.learned_positions else facts.positions - 1
    return Signature(
        {"prompt": f"states[B, P, {facts.width}]", "reply": "tokens[B, L]", **_at(config, "P")},
        {"logits": f"logits[B, L, {facts.vocabulary}]"},
        {"P": (1, max(most, 1)), "L": (1, max(most, 1))},
        vocabulary={"reply": facts.vocabulary},
    )


def generate(config: CausalConfig, options: GenerateOptions) -> Signature:
    """Raises InputError where a text and its prompt cannot fit into the positions."""
    facts = config.facts
    longest = facts.positions - options.max_tokens
    if longest < 1:
        raise InputError(
            f"max_tokens {options.max_tokens} leaves no room for a prompt among the model's {facts.positions} positions"
        )
    return Signature(
        {"prompt": f"states[B, P, {facts.width}]", **_at(config, "P")},
        {"text": "text[B]", "ids": "labels[B, L]", "score": "numbers[B]"},
        {"P": (1, longest), "L": (2, options.max_tokens + 1)},
    )
