"""A plugin for tests: small module types that use every feature a signature has. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field, model_validator

from composer.plugin import (
    Config,
    GenerateOptions,
    Generation,
    Method,
    ModuleType,
    NoConfig,
    Register,
    Registry,
    SearchChoice,
    SearchPolicy,
    Vocabulary,
    hookimpl,
    load_registry,
)
from composer.types import Signature

__all__ = ["registry"]


class VisionConfig(Config):
    """`with` of `toy.vision`."""

    width: int = Field(default=8, ge=1)
    """Width of the states."""
    size: int = Field(default=16, ge=1)
    """Height and width of a picture."""
    patch: int = Field(default=4, ge=1)
    """Height and width of a patch."""
    frames: int = Field(default=1, ge=1)
    """Frames of a clip."""

    @model_validator(mode="after")
    def _whole_patches(self) -> VisionConfig:
        if self.size % self.patch:
            raise ValueError(f"size {self.size} is not a multiple of patch {self.patch}")
        return self


class WidthConfig(Config):
    """`with` of the toy types that have a width and nothing else."""

    width: int = Field(default=8, ge=1)
    """Width of the states."""


class OpenConfig(Config):
    """`with` of `toy.open`, whose width its calls may settle."""

    width: int | None = Field(default=None, ge=1)
    """Width of the states."""


class ScaleOptions(Config):
    """`with` of a call of `toy.shared.scaled`."""

    factor: float
    """What the states are multiplied by."""


class ToyOptions(GenerateOptions):
    """`with` of a `generate` node of `toy.decoder`."""

    search: SearchChoice = SearchChoice(uses="toy")
    """How the tokens are found."""


def _vision(config: VisionConfig) -> Signature:
    patches = (config.size // config.patch) ** 2 * config.frames
    pixels = f"pixels[B, 3, {config.frames}, {config.size}, {config.size}]"
    return Signature({"pixels": pixels}, {"states": f"states[B, {patches + 1}, {config.width}]"})


def _text(config: WidthConfig) -> Signature:
    return Signature({"tokens": "tokens[B, L]"}, {"states": f"states[B, L, {config.width}]"}, {"L": (1, 512)})


def _states(config: WidthConfig) -> Signature:
    port = f"states[B, N, {config.width}]"
    return Signature({"states": port}, {"states": port})


def _scaled(config: WidthConfig, options: ScaleOptions) -> Signature:
    return _states(config)


def _open(config: OpenConfig) -> Signature:
    port = f"states[B, N, {config.width or 'W'}]"
    return Signature({"states": port}, {"states": port}, fixed={"W": "width"})


def _fuse(config: WidthConfig) -> Signature:
    width = config.width
    inputs = {"first": f"states[B, N, {width}]", "second": f"states[B, M, {width}]?"}
    return Signature(inputs, {"states": f"states[B, N, {width}]"})


def _join(config: NoConfig) -> Signature:
    return Signature({"parts": "states[B, N, D]*"}, {"states": "states[B, N, D]"})


def _split(config: NoConfig) -> Signature:
    halves = {"left": "states[B, N, D]", "right": "states[B, N, D]"}
    return Signature({"states": "states[B, N, D]"}, halves)


def _read(config: WidthConfig) -> Signature:
    return Signature({"ids": "labels[B, L]"}, {"states": f"states[B, L, {config.width}]"})


def _decode(config: WidthConfig) -> Signature:
    inputs = {"memory": f"states[B, M, {config.width}]", "labels": "labels[B, L]"}
    return Signature(inputs, {"logits": "logits[B, L, 32]"})


def _generate(config: WidthConfig, options: ToyOptions) -> Signature:
    outputs = {"text": "text[B]", "ids": "labels[B, L]", "score": "numbers[B]"}
    return Signature({"memory": f"states[B, M, {config.width}]"}, outputs)


def _vocabulary(config: WidthConfig) -> Vocabulary:
    return Vocabulary("text", {"tokenizer": "bert-uncased"}, start=101, end=102, pad=0)


def _type(id: str, config: type[Config], methods: Mapping[str, Method], **more: Any) -> ModuleType:
    return ModuleType(id, config, methods, f"toy_parts:build_{id[4:]}", f"The toy {id[4:]}.", **more)


TYPES = (
    _type("toy.vision", VisionConfig, {"forward": Method(_vision)}),
    _type("toy.text", WidthConfig, {"forward": Method(_text)}),
    _type("toy.open", OpenConfig, {"forward": Method(_open)}),
    _type("toy.fuse", WidthConfig, {"forward": Method(_fuse)}),
    _type("toy.join", NoConfig, {"forward": Method(_join)}, stateless=True),
    _type("toy.split", NoConfig, {"forward": Method(_split)}, stateless=True),
    _type("toy.read", WidthConfig, {"forward": Method(_read)}),
    _type(
        "toy.shared",
        WidthConfig,
        {
            "vision": Method(_states, attribute="vision"),
            "text": Method(_states, attribute="text"),
            "scaled": Method(_scaled, options=ScaleOptions, attribute="scaled"),
        },
    ),
    _type(
        "toy.decoder",
        WidthConfig,
        {"forward": Method(_decode)},
        generation=Generation(_generate, _vocabulary, ToyOptions),
    ),
)


@hookimpl
def composer_register(register: Register) -> None:
    """Register the toy types and their search."""
    register(
        *TYPES,
        SearchPolicy("toy", "toy_parts:Search", "Greedy search for tests.", streams=lambda config: True),
    )


def registry() -> Registry:
    """What the first-party plugins and this one offer."""
    import toy

    return load_registry([("toy", toy)])
