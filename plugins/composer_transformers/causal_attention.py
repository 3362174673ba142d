"""Attention of transformers' layers, as ours: the library's door for attention functions leads to an `Attending`.

A model is called with `attending=` an object, which its layers hand on to the function that is registered here. So the
library's own layers run, and what they remember is ours.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor
from torch.nn import functional

from composer.plugin.masks import hides_nothing

__all__ = ["ATTENTION", "Attending", "FromStep", "LayerCall", "WholeText", "register_attention"]

ATTENTION = "composer"
"""The name under which the library knows the function."""


class LayerCall(NamedTuple):
    """What one layer asks for besides its queries, keys and values."""

    layer: int
    scale: float
    dropout: float
    window: int | None
    """How many positions a token sees, itself included; None for all."""
    causal: bool
    """Whether a decoder's own tokens are looked at, and not a memory."""
    bias: Tensor | None
    """Added to the scores."""


class Attending(Protocol):
    """What attends: one call for each layer."""

    def attend(self, query: Tensor, key: Tensor, value: Tensor, call: LayerCall) -> Tensor:
        """query[B, heads, L, d], key and value[B, groups, L, d] → [B, L, heads, d]."""


def _attend(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None = None,
    *,
    attending: Attending,
    scaling: float | None = None,
    dropout: float = 0.0,
    sliding_window: int | None = None,
    position_bias: Tensor | None = None,
    **others: Any,
) -> tuple[Tensor, None]:
    """The function that transformers calls."""
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    causal = bool(getattr(module, "is_causal", True))
    call = LayerCall(module.layer_idx or 0, scale, dropout, sliding_window, causal, position_bias)
    found = attending.attend(query, key, value, call)
    return found, None


def register_attention() -> None:
    """Make the function known to the library; once is enough, and more does no harm."""
    from transformers import AttentionInterface

    AttentionInterface.register(ATTENTION, _attend)


class WholeText:
    """Every position sees itself and the visible ones before it. Keeps the keys and values where `keeps` asks for it.

    `mask[B, L]` says which positions are visible; without one all are.
    """

    def __init__(self, mask: Tensor | None, positions: Tensor, *, keeps: bool = False) -> None:
        self.mask = None if hides_nothing(mask) else mask
        self.positions = positions
        self.kept: list[Tensor] | None = [] if keeps else None
        """Of each layer, keys and values [2, B, groups, L, d]."""
        self._masks: dict[int | None, Tensor] = {}

    def attend(self, query: Tensor, key: Tensor, value: Tensor, call: LayerCall) -> Tensor:
        if self.kept is not None:
            self.kept.append(torch.stack((key, value)))
        groups = query.shape[1] // key.shape[1]
        plain = self.mask is None and call.window is None
        found = functional.scaled_dot_product_attention(
            query,
            _repeated(key, groups),
            _repeated(value, groups),
            attn_mask=None if plain else self._mask(query.shape[2], call.window, query.device),
            dropout_p=call.dropout,
            is_causal=plain,
            scale=call.scale,
        )
        return found.transpose(1, 2)

    def _mask(self, length: int, window: int | None, device: torch.device) -> Tensor:
        """What sees what, [B or 1, 1, L, L]; padding sees itself alone, so that no row is without a number."""
        if window not in self._masks:
            places = torch.arange(length, device=device)
            seen = (places[:, None] >= places).unsqueeze(0)  # [1, L, L]
            if self.mask is not None:
                seen = seen & (self.mask[:, None, :] > 0)
            if window is not None:
                seen = seen & (self.positions[:, :, None] - self.positions[:, None, :] < window)
            self._masks[window] = (seen | (places[:, None] == places)).unsqueeze(1)
        return self._masks[window]


class FromStep:
    """The last token of every beam, which sees the prompt of its sample, the tokens before it, and itself.

    The prompt's keys and values exist once for each sample: the beams are rows of queries.
    """

    def __init__(self, prompt: Tensor, past: Tensor, *, seen: Tensor, length: Tensor) -> None:
        self.prompt = prompt
        """Keys and values of the prompt, [layers, 2, B, groups, P, d]."""
        self.past = past
        """Those of the tokens, [layers, 2, B, K, groups, M, d], of which `length` are filled."""
        self.seen = seen
        """Which positions of the prompt are visible, [B, P]."""
        self.length = length
        self.kept: list[Tensor] = []
        """Of each layer, keys and values of the token [2, B, K, groups, d]."""
        self._masks: dict[int | None, Tensor] = {}

    def attend(self, query: Tensor, key: Tensor, value: Tensor, call: LayerCall) -> Tensor:
        beams, groups = query.shape[2], key.shape[1]
        own = torch.stack((key, value)).transpose(2, 3)  # [2, B, K, G, d]
        self.kept.append(own)
        asked = (query * call.scale).unflatten(1, (groups, -1))  # [B, G, H / G, K, d]
        written = torch.cat((self.past[call.layer], own.unsqueeze(4)), 4)  # [2, B, K, G, M + 1, d]
        rows = asked.flatten(2, 3)  # [B, G, H / G * K, d]
        by_beam = asked.permute(0, 3, 1, 2, 4)  # [B, K, G, H / G, d]
        before = (rows @ self.prompt[call.layer, 0].transpose(2, 3)).unflatten(2, (-1, beams))
        since = (by_beam @ written[0].transpose(3, 4)).permute(0, 2, 3, 1, 4)
        scores = torch.cat((before, since), 4) + self._mask(
            call.window, query.dtype
        )  # [B, G, H / G, K, P + M + 1]
        weights = scores.softmax(4, dtype=torch.float32).to(query.dtype)
        prompt, tokens = weights.split((before.shape[4], since.shape[4]), 4)
        of_prompt = (prompt.flatten(2, 3) @ self.prompt[call.layer, 1]).unflatten(2, (-1, beams))
        of_tokens = tokens.permute(0, 3, 1, 2, 4) @ written[1]  # [B, K, G, H / G, d]
        return (of_prompt.permute(0, 3, 1, 2, 4) + of_tokens).flatten(2, 3)

    def _mask(self, window: int | None, dtype: torch.dtype) -> Tensor:
        """What is added to scores, [B, 1, 1, 1, P + M + 1]."""
        if window not in self._masks:
            room = self.past.shape[5]
            places = torch.arange(room + 1, device=self.length.device)
            filled = (places < self.length) | (places == room)  # the last place is the token itself
            seen = torch.cat((self.seen > 0, filled.expand(self.seen.shape[0], -1)), 1)
            if window is not None:
                own = self.seen.cumsum(1) - 1
                prompt = self.seen.sum(1, keepdim=True)
                token = prompt + self.length
                since = torch.where(places == room, token, prompt + places)
                seen = seen & (token - torch.cat((own, since), 1) < window)
            hidden = torch.zeros(seen.shape, dtype=dtype, device=seen.device)
            hidden = hidden.masked_fill(~seen, torch.finfo(dtype).min)
            self._masks[window] = hidden[:, None, None, None, :]
        return self._masks[window]


def _repeated(values: Tensor, times: int) -> Tensor:
    """[B, groups, L, d] → [B, groups * times, L, d], each group as often as it has heads."""
    if times == 1:
        return values
    return values.unsqueeze(2).expand(-1, -1, times, -1, -1).flatten(1, 2)
