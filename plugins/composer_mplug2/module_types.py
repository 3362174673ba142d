"""The mPLUG-2 module types: config, methods and builder of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from composer.plugin import Generation, Method, ModuleType, Vocabulary
from composer_mplug2 import signatures
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

__all__ = ["MODULE_TYPES"]


def _decoder_vocabulary(config: DecoderConfig) -> Vocabulary:
    tokenizer = {"tokenizer": config.tokenizer}
    return Vocabulary(
        "text", tokenizer, start=config.start, end=config.end, pad=config.pad, size=config.vocabulary
    )


SIZES: Mapping[str, Any] = {"hidden": 32, "heads": 4, "layers": 2}
"""Of the examples: small, and large enough that no two dims are equal by chance."""

MODULE_TYPES: tuple[ModuleType, ...] = (
    ModuleType(
        "mplug2.vision_encoder",
        VisionConfig,
        {
            "forward": Method(signatures.clip, summary="States of a clip of `frames` frames."),
            "video": Method(signatures.clip, summary="The same, by its name."),
            "image": Method(signatures.picture, summary="States of a picture: a clip of one frame."),
        },
        "composer_mplug2.vision_encoder:build_vision_encoder",
        "A vision transformer over frames, with local temporal modules between them.",
        examples=({"image_size": 32, "patch_size": 8, "width": 64, "layers": 2, "frames": 3},),
    ),
    ModuleType(
        "mplug2.width_adapter",
        WidthAdapterConfig,
        {"forward": Method(signatures.width_adapter)},
        "composer_mplug2.norms:build_width_adapter",
        "Bring vision states to the width of the text states.",
        examples=({"width": 48, "hidden": 32},),
    ),
    ModuleType(
        "mplug2.residual_norm",
        NormConfig,
        {"forward": Method(signatures.residual_norm)},
        "composer_mplug2.norms:build_residual_norm",
        "Add an update to states and normalise the sum.",
        examples=({"hidden": 32},),
    ),
    ModuleType(
        "mplug2.text_encoder",
        TextEncoderConfig,
        {"forward": Method(signatures.text_encoder)},
        "composer_mplug2.text_encoder:build_text_encoder",
        "BERT embeddings and the layers that only text goes through.",
        examples=({**SIZES, "vocabulary": 120, "positions": 24},),
    ),
    ModuleType(
        "mplug2.universal_layers",
        UniversalConfig,
        {
            "text": Method(
                signatures.universal_text, attribute="text", summary="Text through the shared layers."
            ),
            "vision": Method(
                signatures.universal_vision,
                attribute="vision",
                summary="Vision through the shared layers and the latents; an update, to be added to its input.",
            ),
        },
        "composer_mplug2.universal:build_universal_layers",
        "The layers whose weights text and vision share.",
        examples=({**SIZES, "latents": 6}, {**SIZES, "layers": 1}),
    ),
    ModuleType(
        "mplug2.fusion",
        FusionConfig,
        {
            "forward": Method(signatures.fuse, summary="One text for each picture or clip."),
            "grouped": Method(
                signatures.fuse_grouped,
                attribute="grouped",
                summary="Several texts for each picture, whose keys and values are made once.",
            ),
        },
        "composer_mplug2.fusion:build_fusion",
        "Text that attends to vision, with optional connected layers over both.",
        examples=(SIZES, {**SIZES, "layers": 3, "stride": 2}),
    ),
    ModuleType(
        "mplug2.text_decoder",
        DecoderConfig,
        {
            "forward": Method(signatures.decode, summary="Scores of the next token at every position."),
            "both_ways": Method(
                signatures.decode,
                attribute="both_ways",
                summary="Scores at every position of a text whose tokens see all others, as in an encoder.",
            ),
            "grouped": Method(
                signatures.decode_grouped,
                attribute="grouped",
                summary="Several texts for each picture, whose keys and values are made once.",
            ),
            "rank": Method(
                signatures.rank,
                options=signatures.RankOptions,
                attribute="rank",
                summary="The best of given answers.",
            ),
            "ground": Method(
                signatures.locate,
                options=BoxTokensConfig,
                attribute="ground",
                summary="The likeliest box, told as four coordinate tokens.",
            ),
        },
        "composer_mplug2.text_decoder:build_text_decoder",
        "A causal text decoder that reads a memory; its output weight is its word embeddings.",
        generation=Generation(signatures.generate, _decoder_vocabulary),
        examples=(
            {**SIZES, "vocabulary": 120, "positions": 24},
            {**SIZES, "vocabulary": 700, "positions": 24},
        ),
    ),
    ModuleType(
        "mplug2.masked_lm_head",
        MaskedHeadConfig,
        {"forward": Method(signatures.masked_head)},
        "composer_mplug2.lm_head:build_masked_head",
        "Scores of the vocabulary at every position, with an output weight of its own.",
        examples=({"hidden": 32, "vocabulary": 120},),
    ),
    ModuleType(
        "mplug2.answer_loss",
        AnswerLossConfig,
        {
            "forward": Method(signatures.answer_loss),
            "per_answer": Method(
                signatures.answer_losses, attribute="per_answer", summary="One loss per answer."
            ),
        },
        "composer_mplug2.losses:build_answer_loss",
        "Weighted sum of each answer's token losses, over the number of questions.",
        stateless=True,
        for_training=True,
        examples=({}, {"alpha": 0.4, "distillation": "published"}, {"alpha": 0.4, "distillation": "meant"}),
    ),
    ModuleType(
        "mplug2.caption_loss",
        SequenceLossConfig,
        {"forward": Method(signatures.caption_loss)},
        "composer_mplug2.losses:build_caption_loss",
        "Mean loss of all caption tokens after the prompt.",
        stateless=True,
        for_training=True,
    ),
    ModuleType(
        "mplug2.masked_lm_loss",
        SoftTokenLossConfig,
        {"forward": Method(signatures.masked_loss)},
        "composer_mplug2.losses:build_masked_loss",
        "Mean loss of the masked tokens.",
        stateless=True,
        for_training=True,
    ),
    ModuleType(
        "mplug2.box_tokens",
        BoxTokensConfig,
        {"forward": Method(signatures.box_tokens)},
        "composer_mplug2.grounding:build_box_tokens",
        "Write a box as a prefix and four coordinate tokens.",
        stateless=True,
        for_training=True,
        examples=({}, {"prefix": 4, "first": 5, "steps": 20}),
    ),
    ModuleType(
        "mplug2.grounding_loss",
        GroundingLossConfig,
        {"forward": Method(signatures.grounding_loss)},
        "composer_mplug2.grounding:build_grounding_loss",
        "Loss of telling a box, weighted by how far off the likeliest one is.",
        stateless=True,
        for_training=True,
        examples=(
            {"prefix": 4, "first": 5, "steps": 20},
            {"first": 5, "steps": 20, "weighting": "published"},
        ),
    ),
    ModuleType(
        "mplug2.strip_prompt",
        PromptConfig,
        {"forward": Method(signatures.strip_prompt)},
        "composer_mplug2.prompts:build_strip_prompt",
        "Take the prompt off generated captions.",
        stateless=True,
    ),
)
