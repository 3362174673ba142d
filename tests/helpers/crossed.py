"""A plugin for tests whose type gives as many states as two sizes multiplied: every state of one beside every other."""

from __future__ import annotations

import torch
from torch import nn

from composer.plugin import Config, Method, ModuleType, Register, Registry, hookimpl, load_registry
from composer.types import Signature, States

__all__ = ["PAIRS", "crossed_registry"]

PAIRS = """\
  pairs:
    inputs:
      a: {modality: array, with: {kind: states, dims: [B, N, 8]}}
      b: {modality: array, with: {kind: states, dims: [B, M, 8]}}
    nodes:
      both: {call: pair, inputs: {first: a, second: b}}
      more: {call: weigh, inputs: {pairs: both, first: a, second: b}}
    outputs: {more: more.states}
    compile: {ranges: {batch: "1..3", a.length: "2..5", b.length: "2..4"}}
"""
"""A task whose lengths are multiplied; its modules are `pair` and `weigh`."""


class WidthConfig(Config):
    """`with` of the crossing types."""

    width: int = 8
    """Width of the states."""


def _visible(states: States) -> torch.Tensor:
    if states.mask is None:
        return states.values.new_ones(states.values.shape[:2], dtype=torch.int64)
    mask: torch.Tensor = states.mask
    return mask


class Crossed(nn.Module):
    """first[B, N, D] and second[B, M, D] → states[B, N*M, D]: the sum of each with each."""

    def __init__(self, *, width: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.rand(width) + 0.5)

    def forward(self, *, first: States, second: States) -> States:
        pairs = first.values[:, :, None] + self.scale * second.values[:, None]  # [B, N, M, D]
        mask = _visible(first)[:, :, None] * _visible(second)[:, None]
        return States(pairs.flatten(1, 2), mask.flatten(1))


class Weighed(nn.Module):
    """pairs[B, N*M, D] beside what they are of → pairs[B, N*M, D], each times the sum of its two."""

    def __init__(self, *, width: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.rand(width) + 0.5)

    def forward(self, *, pairs: States, first: States, second: States) -> States:
        values = pairs.values.unflatten(1, (first.values.shape[1], second.values.shape[1]))
        weight = first.values[:, :, None] + second.values[:, None]
        return States((self.scale * values * weight).flatten(1, 2), pairs.mask)


def build_crossed(config: WidthConfig) -> Crossed:
    return Crossed(width=config.width)


def build_weighed(config: WidthConfig) -> Weighed:
    return Weighed(width=config.width)


def _crossed(config: WidthConfig) -> Signature:
    width = config.width
    inputs = {"first": f"states[B, N, {width}]", "second": f"states[B, M, {width}]"}
    return Signature(inputs, {"states": f"states[B, N*M, {width}]"})


def _weighed(config: WidthConfig) -> Signature:
    width = config.width
    inputs = {
        "pairs": f"states[B, N*M, {width}]",
        "first": f"states[B, N, {width}]",
        "second": f"states[B, M, {width}]",
    }
    return Signature(inputs, {"states": f"states[B, N*M, {width}]"})


class CrossedPlugin:
    """Registers `crossed.pairs` and `crossed.weighed`."""

    __name__ = "crossed"

    @hookimpl
    def composer_register(self, register: Register) -> None:
        forms = (("pairs", _crossed, "build_crossed"), ("weighed", _weighed, "build_weighed"))
        for name, signature, builder in forms:
            made = f"{__name__}:{builder}"
            register(
                ModuleType(f"crossed.{name}", WidthConfig, {"forward": Method(signature)}, made, "Pairs.")
            )


def crossed_registry() -> Registry:
    return load_registry([("crossed", CrossedPlugin())])
