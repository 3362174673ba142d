"""The signatures of the mPLUG-2 module types: ports as functions of the config."""

from __future__ import annotations

from pydantic import Field

from composer.plugin import Config, GenerateOptions
from composer.problems import InputError
from composer.types import UNBOUNDED, Signature
from composer_mplug2.configs import (
    AnswerLossConfig,
    BoxTokensConfig,
    DecoderConfig,
    FusionConfig,
    GroundingLossConfig,
    MaskedHeadConfig,
    NormConfig,
    PromptConfig,
    SequenceLossConfig,
    SoftTokenLossConfig,
    TextEncoderConfig,
    UniversalConfig,
    VisionConfig,
    WidthAdapterConfig,
)

__all__ = [
    "RankOptions",
    "answer_loss",
    "answer_losses",
    "box_tokens",
    "caption_loss",
    "clip",
    "decode",
    "decode_grouped",
    "fuse",
    "fuse_grouped",
    "generate",
    "grounding_loss",
    "locate",
    "masked_head",
    "masked_loss",
    "picture",
    "rank",
    "residual_norm",
    "strip_prompt",
    "text_encoder",
    "universal_text",
    "universal_vision",
    "width_adapter",
]


class RankOptions(Config):
    """`with` of a node that ranks candidates."""

    top: int = Field(default=128, ge=1)
    """Candidates that are scored in full and returned, best first."""


def clip(config: VisionConfig) -> Signature:
    return _pixels(config, config.frames)


def picture(config: VisionConfig) -> Signature:
    return _pixels(config, 1)


def _pixels(config: VisionConfig, frames: int) -> Signature:
    size = config.image_size
    tokens = 1 + config.num_steps(frames) * config.num_patches
    return Signature(
        {"pixels": f"pixels[B, 3, {frames}, {size}, {size}]"},
        {"states": f"states:vision[B, {tokens}, {config.width}]"},
    )


def width_adapter(config: WidthAdapterConfig) -> Signature:
    return Signature(
        {"states": f"states:K[B, N, {config.width}]"}, {"states": f"states:K[B, N, {config.hidden}]"}
    )


def residual_norm(config: NormConfig) -> Signature:
    port = f"states:K[B, N, {config.hidden}]"
    return Signature({"states": port, "update": port}, {"states": port})


def text_encoder(config: TextEncoderConfig) -> Signature:
    known = {"token_types": config.token_types, "positions": config.positions}
    if config.token_types == 1:
        del known["token_types"]  # there is nothing to tell apart
    return Signature(
        {"tokens": "tokens[B, L]", **dict.fromkeys(known, "labels[B, L]?")},
        {"states": f"states:text[B, L, {config.hidden}]"},
        {"L": (1, config.positions)},
        vocabulary={"tokens": config.vocabulary, **known},
    )


def universal_text(config: UniversalConfig) -> Signature:
    port = f"states:text[B, L, {config.hidden}]"
    return Signature({"states": port}, {"states": port})


def universal_vision(config: UniversalConfig) -> Signature:
    port = f"states:vision[B, N, {config.hidden}]"
    return Signature({"states": port}, {"states": port})


def fuse(config: FusionConfig) -> Signature:
    ports = {"text": f"states:text[B, L, {config.hidden}]", "vision": f"states:vision[B, N, {config.hidden}]"}
    return Signature(ports, ports)


def fuse_grouped(config: FusionConfig) -> Signature:
    text = f"states:text[R, L, {config.hidden}]"
    return Signature(
        {"text": text, "vision": f"states:vision[B, N, {config.hidden}]", "counts": "counts[B]"},
        {"text": text},
    )


def decode(config: DecoderConfig) -> Signature:
    return Signature(
        {"memory": f"states[B, N, {config.hidden}]", "tokens": "tokens[B, L]"},
        {"logits": f"logits[B, L, {config.vocabulary}]"},
        {"L": (1, config.positions)},
        vocabulary={"tokens": config.vocabulary},
    )


def decode_grouped(config: DecoderConfig) -> Signature:
    return Signature(
        {
            "vision": f"states:vision[B, N, {config.hidden}]",
            "text": f"states:text[R, M, {config.hidden}]",
            "counts": "counts[B]",
            "tokens": "tokens[R, L]",
        },
        {"logits": f"logits[R, L, {config.vocabulary}]"},
        {"L": (1, config.positions)},
        vocabulary={"tokens": config.vocabulary},
    )


def rank(config: DecoderConfig, options: RankOptions) -> Signature:
    return Signature(
        {"memory": f"states[B, N, {config.hidden}]", "candidates": "tokens[K, L]"},
        {"ids": f"labels[B, {options.top}]", "probabilities": f"scores[B, {options.top}]"},
        {"K": (options.top, UNBOUNDED), "L": (2, config.positions)},
        vocabulary={"candidates": config.vocabulary},
    )


def locate(config: DecoderConfig, options: BoxTokensConfig) -> Signature:
    """Raises InputError where the vocabulary has no such coordinates."""
    _hold_coordinates(options, config.vocabulary)
    return Signature({"memory": f"states[B, N, {config.hidden}]"}, {"boxes": "embedding[B, 4]"})


def box_tokens(config: BoxTokensConfig) -> Signature:
    return Signature({"boxes": "embedding[B, 4]"}, {"tokens": "tokens[B, 5]"})


def grounding_loss(config: GroundingLossConfig) -> Signature:
    ranges = {"V": (config.end, UNBOUNDED)}
    return Signature({"logits": "logits[B, 5, V]", "boxes": "embedding[B, 4]"}, {"loss": "scalar"}, ranges)


def _hold_coordinates(options: BoxTokensConfig, vocabulary: int) -> None:
    if max(options.prefix + 1, options.end) > vocabulary:
        raise InputError(
            f"coordinates are the ids {options.first} to {options.end - 1}, and the vocabulary has {vocabulary} entries"
        )


def generate(config: DecoderConfig, options: GenerateOptions) -> Signature:
    """Raises InputError where a text may grow longer than the decoder has positions for."""
    if options.max_tokens > config.positions:
        raise InputError(
            f"max_tokens {options.max_tokens} is more than the decoder's {config.positions} positions; "
            f"lower it to {config.positions}"
        )
    return Signature(
        {"memory": f"states[B, N, {config.hidden}]"},
        {"text": "text[B]", "ids": "labels[B, L]", "score": "numbers[B]"},
        {"L": (2, options.max_tokens + 1)},
    )


def masked_head(config: MaskedHeadConfig) -> Signature:
    return Signature(
        {"states": f"states[B, L, {config.hidden}]"}, {"logits": f"logits[B, L, {config.vocabulary}]"}
    )


def answer_loss(config: AnswerLossConfig) -> Signature:
    inputs = {
        "logits": "logits[R, L, V]",
        "answers": "tokens[R, L]",
        "weights": "numbers[R]?",
        "counts": "counts[B]?",
        "soft_labels": "logits[R, L - 1, V]?",
        "teacher": "logits[R, L, V]?",
    }
    return Signature(inputs, {"loss": "scalar"}, vocabulary={"answers": "V"})


def answer_losses(config: AnswerLossConfig) -> Signature:
    inputs = {
        "logits": "logits[R, L, V]",
        "answers": "tokens[R, L]",
        "soft_labels": "logits[R, L - 1, V]?",
        "teacher": "logits[R, L, V]?",
    }
    return Signature(inputs, {"losses": "numbers[R]"}, vocabulary={"answers": "V"})


def caption_loss(config: SequenceLossConfig) -> Signature:
    inputs = {"logits": "logits[B, L, V]", "captions": "tokens[B, L]", "soft_labels": "logits[B, L - 1, V]?"}
    return Signature(inputs, {"loss": "scalar"}, vocabulary={"captions": "V"})


def masked_loss(config: SoftTokenLossConfig) -> Signature:
    inputs = {"logits": "logits[B, L, V]", "labels": "labels[B, L]", "soft_labels": "logits[B, L, V]?"}
    return Signature(inputs, {"loss": "scalar"}, vocabulary={"labels": "V"})


def strip_prompt(config: PromptConfig) -> Signature:
    return Signature({"text": "text[B]"}, {"text": "text[B]"})
