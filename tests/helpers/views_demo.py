"""A plugin of small modules with the shapes of a real model: an encoder, shared layers, fusion, a decoder."""

from __future__ import annotations

from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from composer.plugin import (
    Config,
    Generation,
    Method,
    ModuleType,
    Register,
    SearchPolicy,
    Vocabulary,
    hookimpl,
)
from composer.types import Signature, States, Tokens

VOCABULARY = 100


class EncoderConfig(Config):
    """`with` of `demo.encoder`."""

    width: int = Field(ge=1)
    """Width of the states."""
    patch: int = 16
    """Edge of a patch in pixels."""
    size: int = 32
    """Edge of a picture in pixels."""
    frames: int = 1
    """Frames of a clip."""
    stem: Literal["linear", "conv"] = "linear"
    """What comes first."""


class DemoSearch(Config):
    """`with` of the search `demo`."""

    beams: int = 3
    """Texts that are followed at a time."""


class WidthConfig(Config):
    """`with` of the other demo modules."""

    width: int
    """Width of the states."""
    heads: int = 4
    """Attention heads."""


def _encoder(config: EncoderConfig) -> Signature:
    number = (config.size // config.patch) ** 2 * config.frames + 1
    pixels = f"pixels[B, 3, {config.frames}, {config.size}, {config.size}]"
    return Signature({"pixels": pixels}, {"states": f"states[B, {number}, {config.width}]"})


def _words(config: WidthConfig) -> Signature:
    return Signature({"tokens": "tokens[B, L]"}, {"states": f"states[B, L, {config.width}]"}, {"L": (1, 64)})


def _states(config: WidthConfig) -> Signature:
    port = f"states[B, N, {config.width}]"
    return Signature({"states": port}, {"states": port})


def _fusion(config: WidthConfig) -> Signature:
    text, vision = f"states[B, L, {config.width}]", f"states[B, N, {config.width}]"
    return Signature({"text": text, "vision": vision}, {"text": text, "vision": vision})


def _generation(config: WidthConfig, options: Any) -> Signature:
    return Signature({"memory": f"states[B, N, {config.width}]"}, {"text": "text[B]", "score": "numbers[B]"})


def _vocabulary(config: WidthConfig) -> Vocabulary:
    return Vocabulary("text", {"tokenizer": "bert-uncased"}, start=101, end=102, pad=0)


class Encoder(nn.Module):
    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.convolution = nn.Conv3d(
            3, config.width, (1, config.patch, config.patch), (1, config.patch, config.patch)
        )
        self.first = nn.Parameter(torch.zeros(config.width))

    def forward(self, *, pixels: Tensor) -> States:
        patches = self.convolution(pixels).flatten(2).transpose(1, 2)
        return States(torch.cat((self.first.expand(patches.shape[0], 1, -1), patches), dim=1))


class Words(nn.Module):
    def __init__(self, config: WidthConfig) -> None:
        super().__init__()
        self.table = nn.Embedding(VOCABULARY, config.width)

    def forward(self, *, tokens: Tokens) -> States:
        return States(self.table(tokens.ids), tokens.mask)


class Attention(nn.Module):
    """Multi-head attention with four projections; queries from one place, keys and values from another."""

    def __init__(self, config: WidthConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.query, self.key, self.value, self.out = (nn.Linear(config.width, config.width) for _ in range(4))

    def split(self, values: Tensor) -> Tensor:
        return values.unflatten(-1, (self.heads, -1)).transpose(-2, -3)

    def forward(self, asking: Tensor, asked: Tensor) -> Tensor:
        query, key, value = (
            self.split(self.query(asking)),
            self.split(self.key(asked)),
            self.split(self.value(asked)),
        )
        found = functional.scaled_dot_product_attention(query, key, value)
        return self.out(found.transpose(-2, -3).flatten(-2))


class Shared(nn.Module):
    def __init__(self, config: WidthConfig) -> None:
        super().__init__()
        self.attention = Attention(config)

    def forward(self, *, states: States) -> States:
        return States(states.values + self.attention(states.values, states.values), states.mask)


class Fusion(nn.Module):
    def __init__(self, config: WidthConfig) -> None:
        super().__init__()
        self.attention = Attention(config)

    def forward(self, *, text: States, vision: States) -> dict[str, States]:
        return {
            "text": States(text.values + self.attention(text.values, vision.values), text.mask),
            "vision": vision,
        }


class Cache:
    def __init__(self, memory: tuple[Tensor, ...], past: tuple[Tensor, ...] | None = None) -> None:
        self.memory, self.past = memory, past

    def reorder(self, parents: Tensor) -> Cache:
        if self.past is None:
            return self
        index = parents[:, :, None, None, None].expand(-1, -1, *self.past[0].shape[2:])
        return Cache(self.memory, tuple(part.gather(1, index) for part in self.past))


class Decoder(nn.Module):
    def __init__(self, config: WidthConfig) -> None:
        super().__init__()
        self.words = nn.Embedding(VOCABULARY, config.width)
        self.own, self.cross = Attention(config), Attention(config)
        self.head = nn.Linear(config.width, VOCABULARY)

    def start(self, *, memory: States, beams: int, max_tokens: int) -> Cache:
        values = memory.values[:, None]  # one for all beams
        return Cache((self.cross.split(self.cross.key(values)), self.cross.split(self.cross.value(values))))

    def step(self, ids: Tensor, cache: Cache) -> tuple[Tensor, Cache]:
        states = self.words(ids)[:, :, None]  # [B, K, 1, D]
        new = (self.own.split(self.own.key(states)), self.own.split(self.own.value(states)))
        past = (
            new
            if cache.past is None
            else tuple(torch.cat(pair, dim=-2) for pair in zip(cache.past, new, strict=True))
        )
        for attention, (key, value) in ((self.own, past), (self.cross, cache.memory)):
            query = attention.split(attention.query(states))
            found = functional.scaled_dot_product_attention(query, key, value)
            states = states + attention.out(found.transpose(-2, -3).flatten(-2))
        return self.head(states[:, :, 0]), Cache(cache.memory, past)


class Blind(nn.Module):
    """Asks for a value, which no meta tensor has."""

    def forward(self, *, states: States) -> States:
        return States(states.values * float(states.values.sum().item()), states.mask)


def build_blind(config: WidthConfig) -> Blind:
    return Blind()


def build_stubborn(config: WidthConfig) -> nn.Module:
    return nn.Linear(int(torch.ones(3).sum().item()), config.width)


HERE = "views_demo"

DOCUMENT = """\
composer: 1
name: small
summary: A little of everything.

parameters:
  width: 64
  frames: 4

modules:
  vision:    {uses: demo.encoder, with: {width: $width, frames: $frames}}
  text:      {uses: demo.words, with: {width: $width}}
  universal: {uses: demo.shared, with: {width: $width}, summary: One <set> & two ways.}
  fusion:    {uses: demo.fusion, with: {width: $width}}
  decoder:   {uses: demo.decoder, with: {width: $width}}
  scale:     {uses: core.layer_norm}  # its width follows from its call

tasks:
  video-qa:
    summary: Answer a question about a video.
    inputs:
      video:    {modality: video, with: {frames: $frames, size: 32}}
      question: {modality: text, with: {tokenizer: bert-uncased}}
    nodes:
      frames:   {call: vision, inputs: video.pixels}
      visual:   {call: universal.vision, inputs: frames.states}
      words:    {call: text, inputs: question.tokens}
      language: {call: universal.text, inputs: words.states}
      fused:    {call: fusion, inputs: {text: language.states, vision: visual.states}}
      memory:   {uses: core.concat, inputs: {first: visual.states, second: fused.text}}
      answer:   {generate: decoder, inputs: memory.states, with: {max_tokens: 6, search: demo}}
    outputs:
      answer: answer.text
    compile:
      ranges: {batch: "1..8, best 2", question.length: "1..50, best 20"}
  video-vector:
    inputs:
      video: {modality: video, with: {frames: $frames, size: 32}}
    nodes:
      frames: {call: vision, inputs: video.pixels}
      visual: {call: universal.vision, inputs: frames.states}
      scaled: {call: scale, inputs: visual.states}
      vector: {uses: core.pool, inputs: scaled.states}
    outputs:
      vector: vector.embedding
"""

TYPES = (
    ModuleType(
        "demo.encoder", EncoderConfig, {"forward": Method(_encoder)}, f"{HERE}:Encoder", "Pictures to states."
    ),
    ModuleType("demo.words", WidthConfig, {"forward": Method(_words)}, f"{HERE}:Words", "Tokens to states."),
    ModuleType(
        "demo.shared",
        WidthConfig,
        {"text": Method(_states), "vision": Method(_states)},
        f"{HERE}:Shared",
        "Layers for <all> & everything.",
    ),
    ModuleType(
        "demo.fusion", WidthConfig, {"forward": Method(_fusion)}, f"{HERE}:Fusion", "Text meets vision."
    ),
    ModuleType(
        "demo.decoder",
        WidthConfig,
        {},
        f"{HERE}:Decoder",
        "States to text.",
        generation=Generation(_generation, _vocabulary),
    ),
    ModuleType(
        "demo.blind", WidthConfig, {"forward": Method(_states)}, f"{HERE}:build_blind", "Needs values."
    ),
    ModuleType(
        "demo.stubborn", WidthConfig, {"forward": Method(_states)}, f"{HERE}:build_stubborn", "Needs memory."
    ),
)


@hookimpl
def composer_register(register: Register) -> None:
    register(
        *TYPES,
        SearchPolicy(
            "demo",
            f"{HERE}:no_search",
            "Never runs here.",
            config=DemoSearch,
            beams=lambda config: config.beams,
        ),
    )
