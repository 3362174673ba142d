"""The names of mPLUG-2's published tensors, as rules on keys: data, no tensor is touched.

Scripts of the publisher drop `.bert.` and `.fusion.` from the encoders' keys while loading; both spellings are taken.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from composer.plugin import Rule
from composer.problems import InputError

__all__ = ["clip_rules", "mplug2_rules"]

END = r"\.(?P<end>weight|bias)"
VISUAL = r"(?:visual_encoder\.)?visual\."
TEXT = r"text_encoder\.(?:bert\.)?"
FUSION = r"fusion_encoder\.(?:bert\.|fusion\.)?"
DECODER = r"text_decoder\.(?:bert\.)?"

BLOCK = (
    (r"attention\.self\.(?P<part>query|key|value)", r"attention.\g<part>"),
    (r"attention\.output\.dense", "attention.output"),
    (r"attention\.output\.LayerNorm", "attention_norm"),
    (r"intermediate\.dense", "feed_forward.expand"),
    (r"output\.dense", "feed_forward.contract"),
    (r"output\.LayerNorm", "feed_forward_norm"),
)
CROSS = (
    (r"crossattention\.self\.(?P<part>query|key|value)", r"cross_attention.\g<part>"),
    (r"crossattention\.output\.dense", "cross_attention.output"),
    (r"crossattention\.output\.LayerNorm", "cross_attention_norm"),
)
EMBEDDINGS = (
    (r"word_embeddings", "words"),
    (r"position_embeddings", "positions"),
    (r"token_type_embeddings", "token_types"),
    (r"LayerNorm", "norm"),
)
VISION_BLOCK = (
    (r"attn\.in_proj_(?P<end>weight|bias)", r"attention.qkv.\g<end>", None),
    (r"attn\.out_proj" + END, r"attention.output.\g<end>", None),
    (r"ln_1" + END, r"attention_norm.\g<end>", None),
    (r"mlp\.c_fc" + END, r"feed_forward.expand.\g<end>", None),
    (r"mlp\.c_proj" + END, r"feed_forward.contract.\g<end>", None),
    (r"ln_2" + END, r"feed_forward_norm.\g<end>", None),
)
TEMPORAL = (
    (r"ln" + END, r"norm.\g<end>", None),
    (r"down_proj" + END, r"reduce.\g<end>", "reshape"),
    (r"conv\.weight", "taps", "reshape"),
    (r"conv\.bias", "taps_bias", None),
    (r"up_proj" + END, r"restore.\g<end>", "reshape"),
)
HEAD = ((r"transform\.dense", "dense"), (r"transform\.LayerNorm", "norm"))

MOMENTUM = Rule(
    r"(visual_encoder|text_encoder|fusion_encoder|text_decoder|visn_emb_norm|visn_fc|visn_layer_norm|vision_proj"
    r"|text_proj)_m\..*",
    None,
    "momentum twin: teaches while training, answers nothing",
)
RETRIEVAL = (
    (r"vision_proj" + END, r"vision_projection.map.\g<end>", None),
    (r"text_proj" + END, r"text_projection.map.\g<end>", None),
    (r"itm_head" + END, r"matching.map.\g<end>", None),
    (r"temp", "pair.log_scale", "log_of_inverse"),
)
QUEUES = (
    (r"image_queue", "pair.first_queue", None),
    (r"text_queue", "pair.second_queue", None),
    (r"idx_queue", "pair.groups", "reshape"),
    (r"queue_ptr", "pair.next", None),
)
WITH_TWINS = re.compile(
    r"^(\(\?:)?(?P<name>visual_encoder|text_encoder|fusion_encoder|text_decoder|visn_emb_norm|visn_fc|visn_layer_norm"
    r"|vision_proj|text_proj)(?P<rest>\\\.\)\?)?"
)
"""The beginning of a pattern whose keys have a momentum twin: `text_encoder_m`, and so on."""
CLIP_TEXT = Rule(
    r"(visual_encoder\.)?(positional_embedding|text_projection|logit_scale|(transformer|token_embedding|ln_final)\..*)",
    None,
    "CLIP's text tower: built beside the vision encoder, never called",
)
POSITION_IDS = Rule(r".*\.embeddings\.position_ids", None, "position ids: the numbers from 0, not learned")
DEAD_VISION_FEED_FORWARD = Rule(
    r"text_(encoder|decoder)\.(bert\.)?encoder\.layer\.\d+\.(intermediate|output)_vision\..*",
    None,
    "feed-forward for vision: built, but vision goes through the shared one",
)
DECODER_LATENTS = Rule(
    r"text_decoder\.(bert\.)?encoder\.layer\.\d+\.latents", None, "latents of the decoder: built, never read"
)
FUSION_EMBEDDINGS = Rule(
    FUSION + r"embeddings\..*", None, "embeddings of the fusion encoder: it is given states, not ids"
)
TIED = (
    Rule(r"text_decoder\.cls\.predictions\.decoder\.weight", None, "tied to the decoder's word embeddings"),
    Rule(r".*\.cls\.predictions\.bias", None, "the same parameter as the output's own bias"),
)


def mplug2_rules(parameters: Mapping[str, Any]) -> tuple[Rule, ...]:
    """Rules for a document with these parameters; raises InputError that names a missing one."""
    text_layers, universal_layers = (
        _number(parameters, "text_layers"),
        _number(parameters, "universal_layers"),
    )
    decoder_layers = _number(parameters, "decoder_layers")
    learned = (
        *_vision(parameters),
        Rule(r"visn_fc" + END, r"adapter.projection.\g<end>"),
        Rule(r"visn_layer_norm" + END, r"adapter.norm.\g<end>"),
        Rule(r"visn_emb_norm" + END, r"visual_norm.norm.\g<end>"),
        *_embeddings(TEXT, "text"),
        *_stack(TEXT, "text", range(text_layers), BLOCK),
        *_shifted(TEXT, "universal", range(text_layers, text_layers + universal_layers), BLOCK + CROSS),
        Rule(TEXT + rf"encoder\.layer\.{text_layers}\.latents", "universal.latents"),
        *_fusion(parameters),
        *_embeddings(DECODER, "decoder"),
        *_stack(DECODER, "decoder", range(decoder_layers), BLOCK + CROSS),
        *_heads(),
        *_retrieval(),
    )
    return (
        POSITION_IDS,
        DEAD_VISION_FEED_FORWARD,
        DECODER_LATENTS,
        FUSION_EMBEDDINGS,
        CLIP_TEXT,
        *learned,
        *TIED,
        *_twins(learned),
        MOMENTUM,
    )


def clip_rules(parameters: Mapping[str, Any]) -> tuple[Rule, ...]:
    """Rules for a CLIP checkpoint, of which the vision tower is taken."""
    return (CLIP_TEXT, *_vision(parameters))


def _vision(parameters: Mapping[str, Any]) -> Iterable[Rule]:
    block = VISUAL + r"transformer\.resblocks\.(?P<layer>\d+)\."
    yield Rule(VISUAL + r"conv1\.weight", "vision.stem.projection.weight", transform="inflate_time")
    yield Rule(VISUAL + r"class_embedding", "vision.class_embedding")
    yield Rule(VISUAL + r"positional_embedding", "vision.positions", transform="resize_positions")
    yield Rule(VISUAL + r"ln_pre" + END, r"vision.norm_before.\g<end>")
    yield Rule(VISUAL + r"ln_post" + END, r"vision.norm_after.\g<end>")
    yield Rule(VISUAL + r"proj", None, "CLIP's projection: the states are taken before it")
    for pattern, target, transform in VISION_BLOCK:
        yield Rule(block + pattern, rf"vision.layers.\g<layer>.{target}", transform=transform)
    if not parameters.get("local_temporal", True):
        yield Rule(block + r"lmhra[12]\..*", None, "local temporal module: this document switches them off")
        return
    for number, place in (("1", "temporal_before_attention"), ("2", "temporal_before_feed_forward")):
        for pattern, target, transform in TEMPORAL:
            yield Rule(
                block + rf"lmhra{number}\." + pattern,
                rf"vision.layers.\g<layer>.{place}.{target}",
                transform=transform,
            )


def _embeddings(prefix: str, module: str) -> Iterable[Rule]:
    for pattern, target in EMBEDDINGS:
        yield Rule(prefix + r"embeddings\." + pattern + END, rf"{module}.embeddings.{target}.\g<end>")


def _stack(prefix: str, module: str, layers: range, parts: Iterable[tuple[str, str]]) -> Iterable[Rule]:
    """Layers that keep their number."""
    if not layers:
        return
    numbers = "|".join(map(str, layers))
    for pattern, target in parts:
        yield Rule(
            prefix + rf"encoder\.layer\.(?P<layer>{numbers})\." + pattern + END,
            rf"{module}.layers.\g<layer>.{target}.\g<end>",
        )


def _shifted(
    prefix: str, module: str, layers: range, parts: Sequence[tuple[str, str]], plain: Container[int] = ()
) -> Iterable[Rule]:
    """Layers that are counted from 0 again; those that are plain have no cross-attention."""
    for ours, published in enumerate(layers):
        for pattern, target in BLOCK if ours in plain else parts:
            yield Rule(
                prefix + rf"encoder\.layer\.{published}\." + pattern + END,
                rf"{module}.layers.{ours}.{target}.\g<end>",
            )


def _fusion(parameters: Mapping[str, Any]) -> Iterable[Rule]:
    used = _number(parameters, "fusion_layers")
    built = parameters.get("fusion_stack") or used
    stride = parameters.get("fusion_stride") or used
    first = built - used
    if first > 0:
        unused = "|".join(map(str, range(first)))
        yield Rule(
            FUSION + rf"encoder\.layer\.({unused})\..*", None, "fusion layer that is built, but never runs"
        )
    connected = range(stride, used, stride)
    for number in connected:
        yield Rule(
            FUSION + rf"encoder\.layer\.{first + number}\.crossattention\..*",
            None,
            "cross-attention of a connected layer, which attends over vision and text joined",
        )
    yield from _shifted(FUSION, "fusion", range(first, built), BLOCK + CROSS, plain=connected)


def _heads() -> Iterable[Rule]:
    decoder = r"text_decoder\.cls\.predictions\."
    for pattern, target in HEAD:
        yield Rule(decoder + pattern + END, rf"decoder.head.{target}.\g<end>")
    yield Rule(decoder + r"decoder\.bias", "decoder.head.bias")
    for encoder, module in (("text_encoder", "text_head"), ("fusion_encoder", "fusion_head")):
        prefix = rf"{encoder}\.cls\.predictions\."
        reason = "head of masked-word pre-training: this document has none"
        for pattern, target in (*HEAD, ("decoder", "words")):
            yield Rule(prefix + pattern + END, rf"{module}.{target}.\g<end>", reason, optional=True)


def _retrieval() -> Iterable[Rule]:
    for pattern, target, transform in RETRIEVAL:
        yield Rule(pattern, target, "part of retrieval: this document has none", transform, optional=True)
    for pattern, target, transform in QUEUES:
        reason = "queue of past samples: only training reads it"
        yield Rule(pattern, target, reason, transform, optional=True, spare=True)


def _twins(rules: Iterable[Rule]) -> Iterable[Rule]:
    """The same of momentum twins, for a document that declares modules `text_m`, `vision_m`, ... as averages."""
    for rule in rules:
        found = WITH_TWINS.match(rule.pattern)
        if found is None or rule.target is None:
            continue
        dot = r"\." if found["rest"] else ""
        pattern = f"{found['name']}_m{dot}{rule.pattern[found.end() :]}"
        module, _, rest = rule.target.partition(".")
        target = f"{module}_m.{rest}"
        yield replace(rule, pattern=pattern, target=target, name=MOMENTUM.name, optional=True)


def _number(parameters: Mapping[str, Any], name: str) -> int:
    value = parameters.get(name)
    if not isinstance(value, int):
        raise InputError(
            f"layout mplug2 needs to know the number of layers: the document has no parameter `{name}`"
        )
    return value
