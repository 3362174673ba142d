"""The BERT block and the BERT embeddings: written once, used by text encoder, universal layers, fusion and decoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from composer_mplug2.attention import Attention, KeyValues

__all__ = ["NORM_EPS", "BertBlock", "BertEmbeddings", "FeedForward", "blocks_of", "initialise"]

NORM_EPS = 1e-12
INIT_STD = 0.02


class FeedForward(nn.Module):
    """D → intermediate → D with the exact (error function) GELU."""

    def __init__(self, *, width: int, intermediate: int) -> None:
        super().__init__()
        self.expand = nn.Linear(width, intermediate)
        self.contract = nn.Linear(intermediate, width)

    def forward(self, hidden: Tensor) -> Tensor:
        return self.contract(functional.gelu(self.expand(hidden)))


class BertBlock(nn.Module):
    """Self-attention, cross-attention where there is a memory, feed-forward; each is added, and the sum normalised."""

    def __init__(
        self,
        *,
        width: int,
        heads: int,
        intermediate: int,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        cross_attention: bool = False,
    ) -> None:
        super().__init__()
        self.attention = Attention(width=width, heads=heads, dropout=attention_dropout)
        self.attention_norm = nn.LayerNorm(width, eps=NORM_EPS)
        if cross_attention:
            self.cross_attention = Attention(width=width, heads=heads, dropout=attention_dropout)
            self.cross_attention_norm = nn.LayerNorm(width, eps=NORM_EPS)
        self.feed_forward = FeedForward(width=width, intermediate=intermediate)
        self.feed_forward_norm = nn.LayerNorm(width, eps=NORM_EPS)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self,
        hidden: Tensor,
        *,
        mask: Tensor | None = None,
        causal: bool = False,
        memory: KeyValues | None = None,
        memory_mask: Tensor | None = None,
        rows: int = 1,
    ) -> Tensor:
        """hidden[B * rows, L, D] → the same shape.

        `memory` has one row for every `rows` consecutive rows of `hidden`: they attend to it as one longer query.
        """
        attended = self.attention(hidden, self.attention.project(hidden), mask=mask, causal=causal)
        hidden = self.attention_norm(hidden + self.dropout(attended))
        if memory is None:
            return self.feed_forward_half(hidden)
        if rows == 1:
            return self.feed_forward_half(self.cross_attend(hidden, memory, memory_mask))
        grouped = hidden.reshape(memory.keys.shape[0], -1, hidden.shape[-1])  # [B, rows * L, D]
        attended = self.cross_attend(grouped, memory, memory_mask).reshape(hidden.shape)  # [B * rows, L, D]
        return self.feed_forward_half(attended)

    def step(
        self,
        hidden: Tensor,
        past: KeyValues,
        position: Tensor,
        visible: Tensor,
        memory: KeyValues,
        memory_mask: Tensor | None,
    ) -> tuple[Tensor, KeyValues]:
        """One more token of every beam: hidden[B, K, D], past [B, K, heads, M, d] with the token's place `position`[1].

        `visible`[1, M] (bool) tells the filled places, with the new one. Returns hidden and the past with the token.
        """
        new = self.attention.project(hidden.flatten(0, 1).unsqueeze(1))  # keys [B * K, heads, 1, d]
        added = KeyValues(*(each.unflatten(0, hidden.shape[:2]) for each in new))  # [B, K, heads, 1, d] each
        keys = past.keys.index_copy(3, position, added.keys)  # [B, K, heads, M, d]
        values = past.values.index_copy(3, position, added.values)
        attended = self.attention(  # takes every beam as a row of its own
            hidden.flatten(0, 1).unsqueeze(1),  # [B * K, 1, D]
            KeyValues(keys.flatten(0, 1), values.flatten(0, 1)),  # [B * K, heads, M, d] each
            mask=visible,
        )
        hidden = self.attention_norm(hidden + attended.reshape(hidden.shape))  # [B, K, D]
        return self.feed_forward_half(self.cross_attend(hidden, memory, memory_mask)), KeyValues(keys, values)

    def cross_attend(self, hidden: Tensor, memory: KeyValues, mask: Tensor | None) -> Tensor:
        """Cross-attention with its sum and norm: hidden[B, L, D] → [B, L, D]."""
        attended = self.cross_attention(hidden, memory, mask=mask)
        return self.cross_attention_norm(hidden + self.dropout(attended))

    def feed_forward_half(self, hidden: Tensor) -> Tensor:
        """The feed-forward half with its sum and norm: [..., D] → [..., D]."""
        return self.feed_forward_norm(hidden + self.dropout(self.feed_forward(hidden)))


def blocks_of(layers: nn.ModuleList) -> Sequence[BertBlock]:
    """The same list, as one of blocks: to torch, what a ModuleList holds is any module."""
    return cast(Sequence[BertBlock], layers)


class BertEmbeddings(nn.Module):
    """Word, absolute position and token type embeddings, summed and normalised."""

    def __init__(
        self, *, vocabulary: int, positions: int, token_types: int, width: int, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.words = nn.Embedding(vocabulary, width)
        self.positions = nn.Embedding(positions, width)
        self.token_types = nn.Embedding(token_types, width)
        self.norm = nn.LayerNorm(width, eps=NORM_EPS)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, ids: Tensor, *, token_types: Tensor | None = None, positions: Tensor | None = None
    ) -> Tensor:
        """ids[B, L] → [B, L, D]; token types default to 0, positions to 0..L-1 whatever is padding."""
        place = self.positions.weight[: ids.shape[1]] if positions is None else self.positions(positions)
        segment = self.token_types.weight[0] if token_types is None else self.token_types(token_types)
        return self.dropout(self.norm(self.words(ids) + segment + place))


def initialise(module: nn.Module) -> None:
    """BERT's start: weights from N(0, 0.02), offsets 0; applied with `module.apply(initialise)`."""
    if isinstance(module, (nn.Linear, nn.Embedding)):
        torch.nn.init.normal_(module.weight, std=INIT_STD)
    if isinstance(module, nn.Linear) and module.bias is not None:
        torch.nn.init.zeros_(module.bias)
