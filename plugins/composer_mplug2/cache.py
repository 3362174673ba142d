"""The decoder's cache: everything that one decoding step needs, as tensors that go in and come out."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from composer_mplug2.attention import KeyValues

__all__ = ["DecoderCache"]


class DecoderCache(NamedTuple):
    """A value: no method changes it. NamedTuples are pytrees, so `torch.export` sees its tensors. New ones are made by
    their constructor, since torch.compile of torch 2.11 makes empty tuples of `_replace`.

    The memory's keys and values exist once per sample, whatever the number of beams K: the beams are the query rows.
    `past` has room for M tokens; `length`[1] of them are filled.
    """

    memory: tuple[KeyValues, ...]
    """Per layer, [B, heads, N, d] each."""
    memory_mask: Tensor | None
    """What is added to the scores of the memory, [B, 1, 1, N]; None where all of it is visible."""
    past: KeyValues
    """Of all layers, [layers, B, K, heads, M, d] each."""
    length: Tensor
    """Filled places, [1] int64."""

    @property
    def device(self) -> torch.device:
        return self.length.device

    def reorder(self, parents: Tensor) -> DecoderCache:
        """Beam k of sample b goes on from beam parents[b, k] (parents[B, K] int64)."""
        samples = torch.arange(parents.shape[0], device=parents.device).unsqueeze(1)
        past = KeyValues(self.past.keys[:, samples, parents], self.past.values[:, samples, parents])
        return DecoderCache(self.memory, self.memory_mask, past, self.length)

    def select(self, rows: Tensor) -> DecoderCache:
        """Keep the samples `rows`[R] (int64) alone, in that order."""
        return DecoderCache(
            tuple(KeyValues(*(part.index_select(0, rows) for part in layer)) for layer in self.memory),
            None if self.memory_mask is None else self.memory_mask.index_select(0, rows),
            KeyValues(*(part.index_select(1, rows) for part in self.past)),
            self.length,
        )
