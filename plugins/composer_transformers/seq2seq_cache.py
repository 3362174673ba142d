"""The cache of a decoder with a memory, and how transformers' layers are handed the memory's keys and values."""

from __future__ import annotations

from functools import lru_cache
from types import SimpleNamespace
from typing import Any, NamedTuple

import torch
from torch import Tensor

__all__ = ["Seq2SeqCache", "handed"]


class Seq2SeqCache(NamedTuple):
    """A value: no method changes it. New ones are made by the constructor."""

    memory: Tensor
    """Keys and values of the memory, once for each sample: [layers, 2, B, heads, N, d]."""
    seen: Tensor
    """Which positions of the memory are visible, [B, N] int64."""
    past: Tensor
    """Those of the tokens, with room for M: [layers, 2, B, K, heads, M, d]."""
    length: Tensor
    """How many tokens are filled, [1] int64."""

    @property
    def device(self) -> torch.device:
        return self.length.device

    def reorder(self, parents: Tensor) -> Seq2SeqCache:
        """Beam k of sample b goes on from beam parents[b, k] (parents[B, K] int64)."""
        samples = torch.arange(parents.shape[0], device=parents.device).unsqueeze(1)
        return Seq2SeqCache(self.memory, self.seen, self.past[:, :, samples, parents], self.length)

    def select(self, rows: Tensor) -> Seq2SeqCache:
        """Keep the samples `rows`[R] (int64) alone, in that order."""
        return Seq2SeqCache(
            self.memory.index_select(2, rows),
            self.seen.index_select(0, rows),
            self.past.index_select(2, rows),
            self.length,
        )


def handed(memory: Tensor) -> Any:
    """A cache of the library's kind whose keys and values of the memory are there, and which keeps no tokens."""
    return _class()(memory)


@lru_cache(maxsize=1)
def _class() -> type:
    from transformers import EncoderDecoderCache

    class Handed(EncoderDecoderCache):
        def __init__(self, memory: Tensor) -> None:
            layers = [SimpleNamespace(keys=each[0], values=each[1]) for each in memory]
            parts: dict[str, Any] = vars(self)  # what the layers ask of the library's own caches
            parts["cross_attention_cache"] = SimpleNamespace(layers=layers)
            parts["self_attention_cache"] = SimpleNamespace(update=lambda key, value, layer: (key, value))
            self.is_updated = dict.fromkeys(range(len(layers)), True)

        def get_seq_length(self, layer_idx: int = 0) -> int:
            return 0

    return Handed
