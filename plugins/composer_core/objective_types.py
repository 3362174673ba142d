"""Declarations of the module types that objectives are made of: masking, prefixes, contrast, negatives."""

from __future__ import annotations

from composer.plugin import Method, ModuleType, NoConfig
from composer.types import UNBOUNDED, Signature
from composer_core.objective_configs import (
    ContrastiveConfig,
    HardNegativesConfig,
    MaskTokensConfig,
    NumberLossConfig,
    PrefixSplitConfig,
    RescoredConfig,
    TopPairsConfig,
)

__all__ = ["OBJECTIVE_TYPES"]

DRAWS = "it draws random numbers on the processor"


def _contrastive_loss(config: ContrastiveConfig) -> Signature:
    width = config.width or "D"
    embedding = f"embedding[B, {width}]"
    inputs = {
        "first": embedding,
        "second": embedding,
        "groups": "integers[B]?",
        "first_teacher": f"{embedding}?",
        "second_teacher": f"{embedding}?",
    }
    return Signature(inputs, {"loss": "scalar"})


def _contrastive_scores(config: ContrastiveConfig) -> Signature:
    width = config.width or "D"
    inputs = {"queries": f"embedding[B, {width}]", "candidates": f"embedding[K, {width}]"}
    return Signature(inputs, {"scores": "scores[B, K]"})


def _hard_negatives(config: HardNegativesConfig) -> Signature:
    inputs = {"scores": "scores[B, B]", "groups": "integers[B]?"}
    return Signature(inputs, {"rows": "integers[B]", "chances": "scores[B, B]"})


def _matching_pairs(config: NoConfig) -> Signature:
    inputs = {
        "first": "states:K[B, N, D]",
        "second": "states:M[B, M, E]",
        "first_negatives": "integers[B]",
        "second_negatives": "integers[B]",
    }
    outputs = {"first": "states:K[3*B, N, D]", "second": "states:M[3*B, M, E]", "classes": "classes[3*B]"}
    return Signature(inputs, outputs)


def _top_pairs(config: TopPairsConfig) -> Signature:
    top = config.top
    inputs = {
        "scores": "scores[B, K]",
        "queries": "states:K[B, N, D]",
        "candidates": "states:M[K, M, E]",
    }
    outputs = {
        "queries": f"states:K[{top}*B, N, D]",
        "candidates": f"states:M[{top}*B, M, E]",
        "places": f"labels[B, {top}]",
    }
    return Signature(inputs, outputs, {"K": (top, UNBOUNDED)})


def _rescored(config: RescoredConfig) -> Signature:
    inputs = {
        "scores": "scores[B, K]",
        "places": f"labels[B, {config.top}]",
        "matches": f"scores[{config.top}*B, C]",
    }
    ranges = {"K": (config.top, UNBOUNDED), "C": (config.column + 1, UNBOUNDED)}
    return Signature(inputs, {"scores": "scores[B, K]"}, ranges)


def _mask_tokens(config: MaskTokensConfig) -> Signature:
    outputs = {"masked": "tokens[B, L]", "labels": "labels[B, L]"}
    return Signature(
        {"tokens": "tokens[B, L]"},
        outputs,
        vocabulary={"tokens": config.vocabulary, **dict.fromkeys(outputs, "tokens")},
    )


def _prefix_split(config: PrefixSplitConfig) -> Signature:
    outputs = {"prefix": "tokens[B, L]", "labels": "labels[B, L]", "rest": "tokens[B, L]"}
    return Signature({"tokens": "tokens[B, L]"}, outputs, vocabulary=dict.fromkeys(outputs, "tokens"))


def _token_scores(config: NoConfig) -> Signature:
    inputs = {"logits": "logits[B, L, V]", "labels": "labels[B, L]"}
    outputs = dict.fromkeys(("right", "cost", "count"), "numbers[B]")
    return Signature(inputs, outputs, vocabulary={"labels": "V"})


def _number(config: NoConfig) -> Signature:
    return Signature({"scores": "scores[B, 1]"}, {"numbers": "numbers[B]"})


def _number_loss(config: NumberLossConfig) -> Signature:
    return Signature({"numbers": "numbers[B]", "targets": "numbers[B]"}, {"loss": "scalar"})


def _add_losses(config: NoConfig) -> Signature:
    return Signature({"losses": "scalar*"}, {"loss": "scalar"})


OBJECTIVE_TYPES: tuple[ModuleType, ...] = (
    ModuleType(
        "core.contrastive",
        ContrastiveConfig,
        {
            "forward": Method(
                _contrastive_loss,
                summary="The loss of finding each row's partner among the batch and the queue.",
            ),
            "scores": Method(
                _contrastive_scores,
                attribute="scores",
                summary="Cosines of every query and candidate over the learned temperature.",
            ),
        },
        "composer_core.contrastive:build_contrastive",
        "Bring two embeddings of one sample together, apart from those of others, by a learned temperature.",
        examples=({}, {"queue": 6, "width": 4, "alpha": 0.4}),
    ),
    ModuleType(
        "core.hard_negatives",
        HardNegativesConfig,
        {"forward": Method(_hard_negatives, not_exportable=DRAWS, mixes_samples="it draws among them")},
        "composer_core.pairing:build_hard_negatives",
        "For each row a candidate that does not belong to it, the likelier the higher its score.",
        stateless=True,
        for_training=True,
    ),
    ModuleType(
        "core.matching_pairs",
        NoConfig,
        {"forward": Method(_matching_pairs)},
        "composer_core.pairing:build_matching_pairs",
        "Pairs that belong together and pairs that do not, with their classes.",
        stateless=True,
        for_training=True,
    ),
    ModuleType(
        "core.top_pairs",
        TopPairsConfig,
        {"forward": Method(_top_pairs)},
        "composer_core.pairing:build_top_pairs",
        "The best candidates of each query, as pairs that are to be looked at more closely.",
        stateless=True,
        examples=({"top": 2},),
    ),
    ModuleType(
        "core.rescored",
        RescoredConfig,
        {"forward": Method(_rescored, mixes_samples="the pairs of all samples come together")},
        "composer_core.pairing:build_rescored",
        "Put the closer scores of the best candidates in place of the first ones.",
        stateless=True,
        examples=({"top": 2}, {"top": 2, "add": True}),
    ),
    ModuleType(
        "core.mask_tokens",
        MaskTokensConfig,
        {"forward": Method(_mask_tokens)},
        "composer_core.masking:build_mask_tokens",
        "Hide some tokens of texts, which are then to be told.",
        stateless=True,
        for_training=True,
        examples=({"vocabulary": 120, "mask": 3, "special": [0, 1, 2]},),
    ),
    ModuleType(
        "core.prefix_split",
        PrefixSplitConfig,
        {"forward": Method(_prefix_split)},
        "composer_core.masking:build_prefix_split",
        "Cut texts in two: a prefix that is read, and the rest that is to be told.",
        stateless=True,
        for_training=True,
    ),
    ModuleType(
        "core.token_scores",
        NoConfig,
        {"forward": Method(_token_scores)},
        "composer_core.token_scores:build_token_scores",
        "Say of each text how many of its hidden tokens are told, and at what cost.",
        stateless=True,
        for_training=True,
    ),
    ModuleType(
        "core.number",
        NoConfig,
        {"forward": Method(_number)},
        "composer_core.losses:build_number",
        "Take a single score of each sample as a number: a regression.",
        stateless=True,
    ),
    ModuleType(
        "core.number_loss",
        NumberLossConfig,
        {"forward": Method(_number_loss)},
        "composer_core.losses:build_number_loss",
        "Mean squared or absolute difference of numbers.",
        stateless=True,
        for_training=True,
        examples=({}, {"of": "distances"}),
    ),
    ModuleType(
        "core.sum_losses",
        NoConfig,
        {"forward": Method(_add_losses)},
        "composer_core.losses:build_sum_losses",
        "Add several losses.",
        stateless=True,
        for_training=True,
    ),
)
