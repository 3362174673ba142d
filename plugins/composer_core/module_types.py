"""The core module types: adapters, joins and losses that belong to no model."""

from __future__ import annotations

import math

from composer.plugin import Method, ModuleType, NoConfig
from composer.types import UNBOUNDED, PortType, Signature
from composer_core.configs import (
    ActivationConfig,
    ArgmaxConfig,
    ClassVectorsConfig,
    DropoutConfig,
    GridPositionsConfig,
    LayerNormConfig,
    LinearConfig,
    PerSampleConfig,
    PoolConfig,
    SelectConfig,
    SimilarityConfig,
    TokenLossConfig,
    TopKConfig,
)

__all__ = ["MODULE_TYPES"]

_INPUT_DIM = {"D": "input_dim"}


def _adapt_width(given: PortType, wanted: PortType) -> dict[str, int] | None:
    """A linear map cures states that differ in nothing but their width."""
    if given.kind != "states" or wanted.kind != "states":
        return None
    before, after = given.dims[2], wanted.dims[2]
    if not (before.is_number and after.is_number) or before == after:
        return None
    return {"input_dim": before.constant, "output_dim": after.constant}


def _concat(config: NoConfig) -> Signature:
    inputs = {"first": "states:K[B, N, D]", "second": "states:M[B, M, D]"}
    return Signature(inputs, {"states": "states:K+M[B, N + M, D]"})


def _add(config: NoConfig) -> Signature:
    inputs = {"first": "states:K[B, N, D]", "second": "states:M[B, N, D]"}
    return Signature(inputs, {"states": "states:K+M[B, N, D]"})


def _join_tokens(config: NoConfig) -> Signature:
    inputs = {"first": "tokens[B, L]", "second": "tokens[B, M]"}
    outputs = {"tokens": "tokens[B, L + M]", "token_types": "labels[B, L + M]"}
    return Signature(inputs, outputs, vocabulary={"tokens": "first + second"})


def _repeat(config: NoConfig) -> Signature:
    inputs = {"states": "states:K[B, N, D]", "counts": "counts[B]", "beside": "tokens[R, L]?"}
    return Signature(inputs, {"states": "states:K[R, N, D]"})


def _fill(config: NoConfig) -> Signature:
    inputs = {"text": "states:K[B, L, D]", "media": "states:M[P, N, D]", "places": "places[P, N, B, L]"}
    return Signature(inputs, {"states": "states:K+M[B, L, D]", "filled": "labels[B, L]"})


def _grid_positions(config: GridPositionsConfig) -> Signature:
    inputs = {"tokens": "tokens[B, L]", "places": f"places[P, {math.prod(config.grid)}, B, L]"}
    return Signature(inputs, {"positions": f"positions[B, {len(config.grid)}, L]"})


def _per_sample(config: PerSampleConfig) -> Signature:
    if config.of == "embedding":
        inputs = {"embedding": "embedding:K[P, D]", "items": "items[B, M]"}
        return Signature(inputs, {"states": "states:K[B, M, D]"})
    inputs = {"states": "states:K[P, N, D]", "items": "items[B, M]"}
    return Signature(inputs, {"states": "states:K[B, M*N, D]"})


def _select(config: SelectConfig) -> Signature:
    ranges = {"N": (config.position + 1, UNBOUNDED)}
    return Signature({"states": "states:K[B, N, D]"}, {"embedding": "embedding:K[B, D]"}, ranges)


def _pool(config: PoolConfig) -> Signature:
    return Signature({"states": "states:K[B, N, D]"}, {"embedding": "embedding:K[B, D]"})


def _normalise(config: NoConfig) -> Signature:
    return Signature({"embedding": "embedding:K[B, D]"}, {"embedding": "embedding:K[B, D]"})


def _similarity(config: SimilarityConfig) -> Signature:
    inputs = {"queries": "embedding[B, D]", "candidates": "embedding[K, D]"}
    return Signature(inputs, {"scores": "scores[B, K]"})


def _linear_states(config: LinearConfig) -> Signature:
    before, after = config.input_dim or "D", config.output_dim
    return Signature(
        {"states": f"states:K[B, N, {before}]"}, {"states": f"states:K[B, N, {after}]"}, fixed=_INPUT_DIM
    )


def _linear_embedding(config: LinearConfig) -> Signature:
    before, after = config.input_dim or "D", config.output_dim
    inputs, outputs = {"embedding": f"embedding:K[B, {before}]"}, {"embedding": f"embedding:K[B, {after}]"}
    return Signature(inputs, outputs, fixed=_INPUT_DIM)


def _linear_scores(config: LinearConfig) -> Signature:
    before, after = config.input_dim or "D", config.output_dim
    inputs, outputs = {"embedding": f"embedding[B, {before}]"}, {"scores": f"scores[B, {after}]"}
    return Signature(inputs, outputs, fixed=_INPUT_DIM)


def _class_vectors(config: ClassVectorsConfig) -> Signature:
    inputs = {"probabilities": f"probabilities[B, {config.classes}]"}
    return Signature(inputs, {"embedding": f"embedding[B, {config.width}]"})


def _layer_norm(config: LayerNormConfig) -> Signature:
    port = f"states:K[B, N, {config.dim or 'D'}]"
    return Signature({"states": port}, {"states": port}, fixed={"D": "dim"})


def _class_loss(config: NoConfig) -> Signature:
    ports = {"scores": "scores[B, K]", "classes": "classes[B]"}
    return Signature(ports, {"loss": "scalar"}, vocabulary={"classes": "K"})


def _token_loss(config: TokenLossConfig) -> Signature:
    inputs = {"logits": "logits[B, L, V]", "labels": "labels[B, L]"}
    return Signature(inputs, {"loss": "scalar"}, vocabulary={"labels": "V"})


def _text_loss(config: TokenLossConfig) -> Signature:
    inputs = {"logits": "logits[B, L, V]", "tokens": "tokens[B, L]"}
    return Signature(inputs, {"loss": "scalar"}, vocabulary={"tokens": "V"})


def _elementwise(config: ActivationConfig | DropoutConfig) -> Signature:
    port: dict[str, str] = {config.of: "states[B, N, D]" if config.of == "states" else "embedding[B, D]"}
    return Signature(port, port)


def _softmax(config: NoConfig) -> Signature:
    return Signature({"scores": "scores[B, K]"}, {"probabilities": "probabilities[B, K]"})


def _argmax(config: ArgmaxConfig) -> Signature:
    if config.names is None:
        return Signature({"scores": "scores[B, K]"}, {"classes": "classes[B]"})
    inputs = {"scores": f"scores[B, {len(config.names)}]"}
    named = {"scores": tuple(config.names)}
    return Signature(inputs, {"classes": "classes[B]", "name": "text[B]"}, classes=named)


def _top_k(config: TopKConfig) -> Signature:
    outputs = {"best": "ranking[B]"}
    if config.names is None:
        return Signature({"probabilities": "probabilities[B, K]"}, outputs, {"K": (config.k, UNBOUNDED)})
    inputs = {"probabilities": f"probabilities[B, {len(config.names)}]"}
    return Signature(inputs, outputs, classes={"probabilities": tuple(config.names)})


MODULE_TYPES: tuple[ModuleType, ...] = (
    ModuleType(
        "core.concat",
        NoConfig,
        {"forward": Method(_concat)},
        "composer_core.joining:build_concat",
        "Put two sequences of states one after the other.",
        stateless=True,
    ),
    ModuleType(
        "core.add",
        NoConfig,
        {"forward": Method(_add)},
        "composer_core.joining:build_add",
        "Add two sequences of states; a position is visible where both show it.",
        stateless=True,
    ),
    ModuleType(
        "core.join_tokens",
        NoConfig,
        {"forward": Method(_join_tokens)},
        "composer_core.joining:build_join_tokens",
        "Read two texts as one, the second behind the end of the first.",
        stateless=True,
    ),
    ModuleType(
        "core.repeat",
        NoConfig,
        {"forward": Method(_repeat)},
        "composer_core.joining:build_repeat",
        "Repeat each sample's states as often as its count says.",
        stateless=True,
    ),
    ModuleType(
        "core.fill",
        NoConfig,
        {"forward": Method(_fill)},
        "composer_core.joining:build_fill",
        "Put the states of media into those of a text, at the positions that a prompt keeps for them.",
        stateless=True,
    ),
    ModuleType(
        "core.grid_positions",
        GridPositionsConfig,
        {"forward": Method(_grid_positions)},
        "composer_core.grid_positions:build_grid_positions",
        "Where each token of a prompt stands along several axes: a text goes along all, a medium lies in its grid.",
        stateless=True,
        examples=({"grid": [1, 2, 3]},),
    ),
    ModuleType(
        "core.per_sample",
        PerSampleConfig,
        {"forward": Method(_per_sample)},
        "composer_core.joining:build_per_sample",
        "Put the states of each sample's values, of which it may have none or several, one after the other.",
        stateless=True,
        examples=({}, {"of": "embedding"}),
    ),
    ModuleType(
        "core.select",
        SelectConfig,
        {"forward": Method(_select)},
        "composer_core.reducing:build_select",
        "Take the state at one position as the embedding.",
        stateless=True,
    ),
    ModuleType(
        "core.pool",
        PoolConfig,
        {"forward": Method(_pool)},
        "composer_core.reducing:build_pool",
        "Reduce the visible states to one embedding.",
        stateless=True,
    ),
    ModuleType(
        "core.normalise",
        NoConfig,
        {"forward": Method(_normalise)},
        "composer_core.reducing:build_normalise",
        "Scale embeddings to length one.",
        stateless=True,
    ),
    ModuleType(
        "core.similarity",
        SimilarityConfig,
        {"forward": Method(_similarity)},
        "composer_core.reducing:build_similarity",
        "Score every query against every candidate by dot product.",
        stateless=True,
    ),
    ModuleType(
        "core.linear",
        LinearConfig,
        {
            "forward": Method(_linear_states, summary="Change the width of states."),
            "embedding": Method(
                _linear_embedding, attribute="embedding", summary="Change an embedding's width."
            ),
            "scores": Method(_linear_scores, attribute="scores", summary="Score classes from an embedding."),
        },
        "composer_core.widths:build_linear",
        "A learned linear map of the width: an adapter, a projection or a classifier.",
        adapter=_adapt_width,
        examples=({"input_dim": 6, "output_dim": 10},),
    ),
    ModuleType(
        "core.class_vectors",
        ClassVectorsConfig,
        {
            "forward": Method(
                _class_vectors, summary="The mean of all vectors, by the probability of each class."
            ),
        },
        "composer_core.widths:build_class_vectors",
        "A learned vector for each class: of a name, an answer, a label.",
        examples=({"classes": 5, "width": 6},),
    ),
    ModuleType(
        "core.layer_norm",
        LayerNormConfig,
        {"forward": Method(_layer_norm)},
        "composer_core.widths:build_layer_norm",
        "Normalise each state over its width, with a learned scale and offset.",
        examples=({"dim": 6},),
    ),
    ModuleType(
        "core.class_loss",
        NoConfig,
        {"forward": Method(_class_loss)},
        "composer_core.losses:build_class_loss",
        "Mean cross entropy of class scores.",
        stateless=True,
        for_training=True,
    ),
    ModuleType(
        "core.token_loss",
        TokenLossConfig,
        {"forward": Method(_token_loss)},
        "composer_core.losses:build_token_loss",
        "Mean cross entropy over the tokens whose label is not -100.",
        stateless=True,
        for_training=True,
    ),
    ModuleType(
        "core.text_loss",
        TokenLossConfig,
        {"forward": Method(_text_loss)},
        "composer_core.losses:build_text_loss",
        "Mean cross entropy over the visible tokens of texts.",
        stateless=True,
        for_training=True,
    ),
    ModuleType(
        "core.activation",
        ActivationConfig,
        {"forward": Method(_elementwise)},
        "composer_core.elementwise:build_activation",
        "Put every value of states or of an embedding through a function such as GELU.",
        stateless=True,
        examples=({}, {"function": "relu", "of": "embedding"}),
    ),
    ModuleType(
        "core.dropout",
        DropoutConfig,
        {"forward": Method(_elementwise)},
        "composer_core.elementwise:build_dropout",
        "Drop a share of the values of states or of an embedding while training.",
        stateless=True,
        examples=({}, {"rate": 0.5, "of": "embedding"}),
    ),
    ModuleType(
        "core.softmax",
        NoConfig,
        {"forward": Method(_softmax)},
        "composer_core.answers:build_softmax",
        "Turn class scores into probabilities.",
        stateless=True,
    ),
    ModuleType(
        "core.argmax",
        ArgmaxConfig,
        {"forward": Method(_argmax)},
        "composer_core.answers:build_argmax",
        "Take the best class, and its name where the classes have names.",
        stateless=True,
        examples=({}, {"names": ["a", "b", "c"]}),
    ),
    ModuleType(
        "core.top_k",
        TopKConfig,
        {"forward": Method(_top_k)},
        "composer_core.answers:build_top_k",
        "List the best classes with their probabilities, by name where the classes have names.",
        stateless=True,
        examples=({"k": 2}, {"k": 2, "names": ["a", "b", "c"]}),
    ),
)
