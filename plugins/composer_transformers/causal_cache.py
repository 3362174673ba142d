"""The cache of a decoder-only model: everything that one step needs, as tensors that go in and come out."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["CausalCache", "GrowingCache", "Room"]


class Room(NamedTuple):
    """What a search will need, which is known before the prompt is."""

    beams: int
    max_tokens: int
    grows: bool = False
    """Whether the cache has room for the tokens that are there alone, and not for all."""

    def growing(self) -> Room:
        """The note for a search whose steps run as they are, so that shapes may change from token to token."""
        return Room(self.beams, self.max_tokens, grows=True)


class CausalCache(NamedTuple):
    """A value: no method changes it. New ones are made by the constructor, since torch.compile of torch 2.11 makes
    empty tuples of `_replace`. Its shapes stay, so a step can be compiled or captured."""

    prompt: Tensor
    """Keys and values of the prompt, once for each sample: [layers, 2, B, groups, P, d]."""
    seen: Tensor
    """Which positions of the prompt are visible, [B, P] int64."""
    past: Tensor
    """Those of the tokens since, with room for M: [layers, 2, B, K, groups, M, d]."""
    positions: Tensor
    """Where the next token of each sample stands, along every axis, [B] int64."""
    length: Tensor
    """How many tokens are filled, [1] int64."""

    @property
    def device(self) -> torch.device:
        return self.length.device

    def reorder(self, parents: Tensor) -> CausalCache:
        """Beam k of sample b goes on from beam parents[b, k] (parents[B, K] int64)."""
        samples = torch.arange(parents.shape[0], device=parents.device).unsqueeze(1)
        past = self.past[:, :, samples, parents]
        return type(self)(self.prompt, self.seen, past, self.positions, self.length)

    def select(self, rows: Tensor) -> CausalCache:
        """Keep the samples `rows`[R] (int64) alone, in that order."""
        return type(self)(
            self.prompt.index_select(2, rows),
            self.seen.index_select(0, rows),
            self.past.index_select(2, rows),
            self.positions.index_select(0, rows),
            self.length,
        )

    def after(self, token: Tensor) -> CausalCache:
        """The cache with those of one more token, [layers, 2, B, K, groups, d], in the next free place."""
        past = self.past.index_copy(5, self.length, token.unsqueeze(5))
        return CausalCache(self.prompt, self.seen, past, self.positions + 1, self.length + 1)


class GrowingCache(CausalCache):
    """The same with room for the tokens that are there alone: a step neither reads nor copies empty places."""

    def after(self, token: Tensor) -> GrowingCache:
        past = torch.cat((self.past, token.unsqueeze(5)), 5)
        return GrowingCache(self.prompt, self.seen, past, self.positions + 1, self.length + 1)
