"""The cache of a decoder-only model: everything that one step needs, as tensors that go in and come out."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["CausalCache", "Room"]


class Room(NamedTuple):
    """What a search will need, which is known before the prompt is."""

    beams: int
    max_tokens: int


class CausalCache(NamedTuple):
    """A value: no method changes it. New ones are made by the constructor, since torch.compile of torch 2.11 makes
    empty tuples of `_replace`."""

    prompt: Tensor
    """Keys and values of the prompt, once for each sample: [layers, 2, B, groups, P, d]."""
    seen: Tensor
    """Which positions of the prompt are visible, [B, P] int64."""
    past: Tensor
    """Those of the tokens since, with room for M: [layers, 2, B, K, groups, M, d]."""
    positions: Tensor
    """Where the next token of each sample stands, [B] int64."""
    length: Tensor
    """How many tokens are filled, [1] int64."""

    @property
    def device(self) -> torch.device:
        return self.length.device

    def reorder(self, parents: Tensor) -> CausalCache:
        """Beam k of sample b goes on from beam parents[b, k] (parents[B, K] int64)."""
        samples = torch.arange(parents.shape[0], device=parents.device).unsqueeze(1)
        past = self.past[:, :, samples, parents]
        return CausalCache(self.prompt, self.seen, past, self.positions, self.length)

    def select(self, rows: Tensor) -> CausalCache:
        """Keep the samples `rows`[R] (int64) alone, in that order."""
        return CausalCache(
            self.prompt.index_select(2, rows),
            self.seen.index_select(0, rows),
            self.past.index_select(2, rows),
            self.positions.index_select(0, rows),
            self.length,
        )
