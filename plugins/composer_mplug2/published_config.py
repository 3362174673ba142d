"""The publisher's config files, read into the parameters of a document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from composer.problems import InputError

__all__ = ["mplug2_parameters", "mplug_parameters"]

BERT = {
    "hidden": "hidden_size",
    "heads": "num_attention_heads",
    "intermediate": "intermediate_size",
    "universal_layers": "num_uni_layer",
    "fusion_stack": "num_hidden_layers",
    "fusion_stride": "stride_layer",
    "decoder_layers": "text_decode_layers",
    "vocabulary": "vocab_size",
    "positions": "max_position_embeddings",
    "token_types": "type_vocab_size",
    "dropout": "hidden_dropout_prob",
    "attention_dropout": "attention_probs_dropout_prob",
}
CLIP = {"patch_size": "patch", "vision_width": "vision_width", "vision_layers": "vision_layers"}
TASK = {
    "image_size": "image_res",
    "frames": "model_num_frames",
    "temporal_downsampling": "temporal_downsampling",
    "temporal_stride": "temporal_stride",
    "beams": "beam_size",
    "answer_min_tokens": "min_length",
    "answer_max_tokens": "max_length",
    "caption_min_tokens": "min_length",
    "caption_max_tokens": "max_length",
}
FIXED = {"layer_norm_eps": 1e-12, "hidden_act": "gelu"}
"""What the modules have built in; a config that says otherwise describes another model."""


def mplug2_parameters(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Parameters for what the config tells; what it leaves out keeps the document's value.

    The config is a BERT config of the publisher (`hidden_size`, ...), or an object that holds one under `bert` beside
    `clip` (sizes of the vision tower) and `model` (frames, picture size, lengths). It describes one task, so its
    lengths are given to answers and captions alike, its prompt to captions of videos and of pictures.

    Raises:
        InputError: a value is missing, or describes something that these modules do not do.
    """
    parts = {name: config[name] for name in ("bert", "clip", "model") if name in config}
    if not parts and "hidden_size" in config:
        parts = {"bert": config}
    if not parts:
        raise InputError(
            "this is not an mPLUG-2 config: it has none of `bert`, `clip`, `model` and `hidden_size`"
        )
    for name, part in parts.items():
        if not isinstance(part, Mapping):
            raise InputError(f"section `{name}` is not a JSON object in this mPLUG-2 config")
    found: dict[str, Any] = {}
    if "bert" in parts:
        found |= _bert(parts["bert"])
    if "clip" in parts:
        found |= {name: _number(parts["clip"], key, "clip") for name, key in CLIP.items()}
    if "model" in parts:
        found |= _task(parts["model"])
    return found


def mplug_parameters(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The same of mPLUG, whose text layers are all for text alone."""
    bert = config.get("bert")
    if isinstance(bert, Mapping):
        return mplug2_parameters({**config, "bert": {"num_uni_layer": 0, **bert}})
    return mplug2_parameters({"num_uni_layer": 0, **config} if "hidden_size" in config else config)


def _bert(bert: Mapping[str, Any]) -> dict[str, Any]:
    for key, expected in FIXED.items():
        if bert.get(key, expected) != expected:
            raise InputError(f"config value {key} is {bert[key]!r}; the mPLUG-2 modules have {expected!r}")
    found = {name: _number(bert, key, "bert") for name, key in BERT.items()}
    found["text_layers"] = _number(bert, "text_encoder_layers", "bert") - found["universal_layers"]
    found["fusion_layers"] = min(_number(bert, "fusion_layers", "bert"), found["fusion_stack"])
    return found


def _task(model: Mapping[str, Any]) -> dict[str, Any]:
    found = {name: model[key] for name, key in TASK.items() if key in model}
    prompt = model.get("prompt")
    if prompt is None:
        return found
    if not isinstance(prompt, str):
        raise InputError(f"config value `prompt` is {prompt!r}, which is not a text")
    # Published: the tokens of the prompt less one, of which [CLS] is one; each word of a prompt is one token.
    tokens = len(prompt.split())
    for medium in ("video", "image"):
        found |= {f"{medium}_prompt": prompt, f"{medium}_prompt_tokens": tokens}
    return found


def _number(section: Mapping[str, Any], key: str, name: str) -> Any:
    if key not in section:
        raise InputError(f"this mPLUG-2 config lacks `{key}` in its section `{name}`")
    if not isinstance(section[key], (int, float)):
        raise InputError(f"config value `{key}` is {section[key]!r}, which is not a number")
    return section[key]
