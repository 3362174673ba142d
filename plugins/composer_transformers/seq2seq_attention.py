"""Attention of encoders with decoders: a text that is read, a reply that is taught, a reply that is written."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from composer_transformers.causal_attention import LayerCall

__all__ = ["ReadingText", "Teaching", "Writing"]


class ReadingText:
    """Of an encoder: every position sees the visible ones. `mask[B, L]` says which these are; without one all are."""

    def __init__(self, mask: Tensor | None) -> None:
        self.mask = mask

    def attend(self, query: Tensor, key: Tensor, value: Tensor, call: LayerCall) -> Tensor:
        mask = _added(None if self.mask is None else self.mask[:, None, None, :] > 0, call.bias, query.dtype)
        return _attended(query, key, value, mask, scale=call.scale, dropout=call.dropout)


class Teaching:
    """Of a decoder that is given the whole reply: it sees the tokens before each, and all of the memory."""

    def __init__(self, memory: Tensor | None) -> None:
        self.memory = memory
        """Which positions of the memory are visible, [B, N]."""

    def attend(self, query: Tensor, key: Tensor, value: Tensor, call: LayerCall) -> Tensor:
        if call.causal:
            places = torch.arange(query.shape[2], device=query.device)
            seen: Tensor | None = (places[:, None] >= places)[None, None]
        else:
            seen = None if self.memory is None else self.memory[:, None, None, :] > 0
        return _attended(
            query, key, value, _added(seen, call.bias, query.dtype), scale=call.scale, dropout=call.dropout
        )


class Writing:
    """Of a decoder's step: the last token of every beam sees the memory of its sample, those before, and itself."""

    def __init__(self, past: Tensor, *, seen: Tensor, length: Tensor) -> None:
        self.past = past
        """Keys and values of the tokens, [layers, 2, B, K, heads, M, d], of which `length` are filled."""
        self.seen = seen
        self.length = length
        self.kept: list[Tensor] = []
        """Of each layer, keys and values of the token, [2, B, K, heads, d]."""

    def attend(self, query: Tensor, key: Tensor, value: Tensor, call: LayerCall) -> Tensor:
        if not call.causal:  # keys and values are those of the memory: the beams are rows of queries
            mask = _added(self.seen[:, None, None, :] > 0, None, query.dtype)
            return _attended(query, key, value, mask, scale=call.scale, dropout=0.0)
        own = torch.stack((key, value)).transpose(2, 3)  # [2, B, K, heads, d]
        self.kept.append(own)
        written = torch.cat((self.past[call.layer], own.unsqueeze(4)), 4)  # [2, B, K, heads, M + 1, d]
        asked = (query * call.scale).transpose(1, 2).unsqueeze(3)  # [B, K, heads, 1, d]
        scores = asked @ written[0].transpose(3, 4)  # [B, K, heads, 1, M + 1]
        places = torch.arange(scores.shape[4], device=scores.device)
        filled = (places < self.length) | (
            places == scores.shape[4] - 1
        )  # the last place is the token itself
        scores = scores.masked_fill(~filled, torch.finfo(scores.dtype).min)
        if call.bias is not None:
            scores = scores + call.bias
        weights = scores.softmax(4, dtype=torch.float32).to(query.dtype)
        return (weights @ written[1]).squeeze(3)  # [B, K, heads, d]


def _added(seen: Tensor | None, bias: Tensor | None, dtype: torch.dtype) -> Tensor | None:
    """What is added to scores: a bias, and the lowest number where nothing is visible."""
    if seen is None:
        return bias
    hidden = torch.zeros(seen.shape, dtype=dtype, device=seen.device).masked_fill(
        ~seen, torch.finfo(dtype).min
    )
    return hidden if bias is None else hidden + bias


def _attended(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, *, scale: float, dropout: float
) -> Tensor:
    found = functional.scaled_dot_product_attention(
        query, key, value, attn_mask=mask, dropout_p=dropout, scale=scale
    )
    return found.transpose(1, 2)
