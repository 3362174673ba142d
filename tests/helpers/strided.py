"""A plugin for tests whose types give fewer states than they take: convolutions with strides, frames of a signal."""

from __future__ import annotations

from typing import Any

import torch
from pydantic import Field
from torch import Tensor, nn

from composer.plugin import Config, Method, ModuleType, Register, Registry, hookimpl, load_registry
from composer.types import Signature, States

__all__ = ["StridedPlugin", "strided_registry"]


class HopConfig(Config):
    """`with` of the strided types."""

    width: int = Field(default=4, ge=1)
    """Width of the states."""
    hop: int = Field(default=4, ge=1)
    """How many states become one."""


def _visible(mask: Tensor | None, values: Tensor, hop: int, *, extra: int) -> Tensor | None:
    """A mask for as many of the new states as the old mask's visible ones make alone."""
    if mask is None:
        return None
    places = torch.arange(values.shape[1], device=values.device)
    return (places < mask.sum(1, keepdim=True) // hop + extra).to(mask.dtype)


class Convolved(nn.Module):
    """states[B, S, D] → states[B, (S - hop) // hop + 1, D]: what is left over at the end is dropped."""

    def __init__(self, *, width: int, hop: int) -> None:
        super().__init__()
        self.hop = hop
        self.conv = nn.Conv1d(width, width, hop, hop)

    def forward(self, *, states: States) -> States:
        found = self.conv(states.values.transpose(1, 2)).transpose(1, 2)
        return States(found, _visible(states.mask, found, self.hop, extra=0))


class Framed(nn.Module):
    """states[B, S, D] → states[B, S // hop + 1, D]: a window around every hop-th state, zeros beyond the ends."""

    def __init__(self, *, width: int, hop: int) -> None:
        super().__init__()
        self.hop = hop
        self.conv = nn.Conv1d(width, width, hop, hop)

    def forward(self, *, states: States) -> States:
        before, values, mask = self.hop // 2, states.values, states.mask
        if mask is not None:
            values = values * mask.unsqueeze(-1).to(values.dtype)
        padded = nn.functional.pad(values.transpose(1, 2), (before, self.hop - before))
        frames = self.conv(padded).transpose(1, 2)
        return States(frames, _visible(mask, frames, self.hop, extra=1))


class Rounded(Framed):
    """As the last one, where the signature says what is not so: it counts a last part of a hop as a whole."""

    def forward(self, *, states: States) -> States:
        values: Tensor = states.values
        missing = torch.zeros_like(values[:, :1]).expand(-1, -values.shape[1] % self.hop, -1)
        return super().forward(states=States(torch.cat([values, missing], 1)))


class Filled(nn.Module):
    """states[B, S, D] → states[B, (S + hop - 1) // hop, D]: zeros fill the last part, and parts see each other."""

    def __init__(self, *, width: int, hop: int) -> None:
        super().__init__()
        self.hop = hop
        self.map = nn.Linear(hop * width, width)
        self.attention = nn.MultiheadAttention(width, 2, batch_first=True)

    def forward(self, *, states: States) -> States:
        values, mask, seen = states.values, states.mask, None
        if mask is not None:
            values = values * mask.unsqueeze(-1).to(values.dtype)
        values = nn.functional.pad(values, (0, 0, 0, -values.shape[1] % self.hop))
        parts = self.map(values.unflatten(1, (-1, self.hop)).flatten(2))
        if mask is not None:
            places = torch.arange(parts.shape[1], device=parts.device) * self.hop
            seen = (places < mask.sum(1, keepdim=True)).to(mask.dtype)
        hidden = None if seen is None else seen == 0
        found, _ = self.attention(parts, parts, parts, key_padding_mask=hidden, need_weights=False)
        return States(parts + found, seen)


class Branching(Filled):
    """As the last one; what is longer than 24 is doubled."""

    def forward(self, *, states: States) -> States:
        found = super().forward(states=states)
        return States(found.values * 2, found.mask) if states.values.shape[1] > 24 else found


def build_filled(config: HopConfig) -> Filled:
    return Filled(width=config.width, hop=config.hop)


def build_branching(config: HopConfig) -> Branching:
    return Branching(width=config.width, hop=config.hop)


def build_convolved(config: HopConfig) -> Convolved:
    return Convolved(width=config.width, hop=config.hop)


def build_framed(config: HopConfig) -> Framed:
    return Framed(width=config.width, hop=config.hop)


def build_rounded(config: HopConfig) -> Rounded:
    return Rounded(width=config.width, hop=config.hop)


def _convolved(config: HopConfig) -> Signature:
    length = f"(S - {config.hop}) // {config.hop} + 1"
    inputs = {"states": f"states[B, S, {config.width}]"}
    return Signature(inputs, {"states": f"states[B, {length}, {config.width}]"}, {"S": (config.hop, 100_000)})


def _framed(config: HopConfig) -> Signature:
    inputs = {"states": f"states[B, S, {config.width}]"}
    return Signature(inputs, {"states": f"states[B, S // {config.hop} + 1, {config.width}]"})


def _filled(config: HopConfig) -> Signature:
    length = f"(S + {config.hop - 1}) // {config.hop}"
    inputs = {"states": f"states[B, S, {config.width}]"}
    return Signature(inputs, {"states": f"states[B, {length}, {config.width}]"})


class StridedPlugin:
    """Registers `strided.convolved`, `strided.framed` and `strided.filled`, and others on demand."""

    __name__ = "strided"

    def __init__(self, *more: ModuleType) -> None:
        self.more = more

    @hookimpl
    def composer_register(self, register: Register) -> None:
        for name, signature in (("convolved", _convolved), ("framed", _framed), ("filled", _filled)):
            builder = f"{__name__}:build_{name}"
            register(
                ModuleType(f"strided.{name}", HopConfig, {"forward": Method(signature)}, builder, "Fewer.")
            )
        register(*self.more)


WRONG = ModuleType(
    "strided.rounded",
    HopConfig,
    {"forward": Method(_framed)},
    f"{__name__}:build_rounded",
    "Says less than it gives.",
)


def _undeclared(config: HopConfig) -> Signature:
    return Signature({"states": f"states[B, S, {config.width}]"}, {"states": f"states[B, T, {config.width}]"})


UNDECLARED = ModuleType(
    "strided.undeclared", HopConfig, {"forward": Method(_undeclared)}, f"{__name__}:build_framed", "Says T."
)


BRANCHING = ModuleType(
    "strided.branching",
    HopConfig,
    {"forward": Method(_filled)},
    f"{__name__}:build_branching",
    "Does two things.",
)


def strided_registry(*more: Any) -> Registry:
    return load_registry([("strided", StridedPlugin(*more))])
