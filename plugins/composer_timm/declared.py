"""The module type `timm.backbone`, its signatures, what its inputs should be, and the layouts of its checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from composer.plugin import Layout, Method, ModuleType, Rule
from composer.problems import InputError
from composer.types import Signature
from composer_timm.configs import BackboneConfig
from composer_timm.lite import LITE_LAYOUTS

__all__ = ["BACKBONE", "LAYOUTS"]


def _pixels(config: BackboneConfig, frames: str = "1") -> dict[str, str]:
    height, width = config.facts.size
    return {"pixels": f"pixels[B, {config.facts.channels}, {frames}, {height}, {width}]"}


def _has(found: Any, config: BackboneConfig, what: str) -> Any:
    if found is None:
        raise InputError(f"model {config.model} gives no {what}")
    return found


def _tokens_of(config: BackboneConfig) -> tuple[int, int]:
    number, width = _has(config.facts.tokens, config, "tokens")
    return (number if config.prefix_tokens else number - config.facts.prefix), width


def _tokens(config: BackboneConfig) -> Signature:
    number, width = _tokens_of(config)
    return Signature(_pixels(config), {"states": f"states:vision[B, {number}, {width}]"})


def _frames(config: BackboneConfig) -> Signature:
    number, width = _tokens_of(config)
    return Signature(_pixels(config, "T"), {"states": f"states:vision[B, {number}*T, {width}]"})


def _pooled(config: BackboneConfig) -> Signature:
    width = _has(config.facts.pooled, config, "pooled vector")
    return Signature(_pixels(config), {"embedding": f"embedding:vision[B, {width}]"})


def _frame_vectors(config: BackboneConfig) -> Signature:
    width = _has(config.facts.pooled, config, "pooled vector")
    return Signature(_pixels(config, "T"), {"states": f"states:vision[B, T, {width}]"})


def _feature_map(found: tuple[int, int, int]) -> str:
    return f"feature_map[B, {', '.join(map(str, found))}]"


def _map(config: BackboneConfig) -> Signature:
    return Signature(_pixels(config), {"map": _feature_map(_has(config.facts.map, config, "map"))})


def _pyramid(config: BackboneConfig) -> Signature:
    levels = _has(config.facts.levels, config, "pyramid")
    chosen = [levels[index] for index in config.levels] or levels
    return Signature(
        _pixels(config), {f"level{number}": _feature_map(level) for number, level in enumerate(chosen, 1)}
    )


def _scores(config: BackboneConfig) -> Signature:
    if config.kept_classes == 0:
        raise InputError(
            f"features {config.features} leaves the classifier of {config.model} out: give it `features: scores`, or "
            "its number of `classes`"
        )
    classes = config.classes or _has(config.facts.classes, config, "scores")
    return Signature(_pixels(config), {"scores": f"scores[B, {classes}]"})


_FEATURES = {"tokens": _tokens, "pooled": _pooled, "map": _map, "pyramid": _pyramid, "scores": _scores}


def _forward(config: BackboneConfig) -> Signature:
    return _FEATURES[config.features](config)


def _made_for(config: BackboneConfig) -> Mapping[str, Mapping[str, Any]]:
    facts = config.facts
    height, width = facts.size
    if facts.channels != 3:
        cure = "leave `channels` out" if config.channels is not None else "write `channels: 3`"
        dims = f"[B, {facts.channels}, 1, {height}, {width}]"
        noun = "channel" if facts.channels == 1 else "channels"
        raise InputError(
            f"it takes pixels of {facts.channels} {noun}, and pictures and clips are read with 3: {cure}, or read an "
            f"array without `for`, {{kind: pixels, dims: {dims}}}"
        )
    if height != width or len(facts.mean) != 3:
        return {}
    values: dict[str, Any] = {
        "size": height,
        "mean": facts.mean,
        "std": facts.std,
        "resize": facts.interpolation,
        "crop": "none" if facts.mode == "squash" else "resized",
        "crop_share": 1.0 if facts.mode == "squash" else facts.crop,
    }
    return {"image": values, "video": values}


BACKBONE = ModuleType(
    "timm.backbone",
    BackboneConfig,
    {
        "forward": Method(_forward, summary="What `features` says."),
        "tokens": Method(
            _tokens, attribute="tokens", summary="States of the tokens, or of the places of a map."
        ),
        "pooled": Method(_pooled, attribute="pooled", summary="One vector of a picture."),
        "map": Method(_map, attribute="map", summary="The last feature map."),
        "pyramid": Method(
            _pyramid, attribute="pyramid", summary="A feature map for each level, the finest first."
        ),
        "scores": Method(_scores, attribute="scores", summary="What the model's own classifier says."),
        "frames": Method(_frames, attribute="frames", summary="Tokens of every frame of a clip."),
        "frame_vectors": Method(
            _frame_vectors, attribute="frame_vectors", summary="One vector for each frame of a clip."
        ),
    },
    "composer_timm.backbone:build_backbone",
    "A model of timm by its name: tokens, a pooled vector, maps or class scores of a picture.",
    made_for=_made_for,
    layout=lambda config: "timm",
    names={"model": "composer_timm.facts:names"},
    examples=(
        {"model": "test_vit", "features": "scores", "classes": 7},
        {"model": "test_resnet", "features": "scores", "classes": 7},
    ),
)

HEADS = r"(?:head|fc|classifier|head_dist|head_drop|last_linear|logits|aux_logits)(?:\.(?:fc|l|fc2|linear))?"
"""How the models of timm call their classifiers."""


def _rules(parameters: Mapping[str, Any]) -> tuple[Rule, ...]:
    return (
        Rule(
            rf"({HEADS}\.(?:weight|bias))",
            r"model.\1",
            name="the classifier, which the module was built without",
            spare=True,
        ),
        Rule(r"(pos_embed)", r"model.\1", transform="resize_positions"),
        Rule(r"(.*(?:weight|proj))", r"model.\1", transform="fit_channels"),
        Rule(r"(.*)", r"model.\1"),
    )


LAYOUTS = (
    Layout(
        "timm",
        "Checkpoints of timm, for one module: positions fit to its size, first layers to its channels.",
        _rules,
        transforms={
            "resize_positions": "composer_timm.transforms:resize_positions",
            "fit_channels": "composer_timm.transforms:fit_channels",
        },
        roots=("state_dict", "model"),
        shapes={
            "resize_positions": ((1, 5, 8), (1, 10, 8)),
            "fit_channels": ((4, 3, 2, 2), (4, 1, 2, 2)),
        },
    ),
    *LITE_LAYOUTS,
)
