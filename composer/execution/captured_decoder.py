"""The steps of a decoder as CUDA graphs, for searches that look at their numbers between two of them.

The cache lies in fixed places, which every step changes; the search sees it as a value that it may reorder. So this is
for searches that step from each cache once (`SearchPolicy.steps_once`).
"""

from __future__ import annotations

import torch
from torch import Tensor

from composer.execution.captured import Captured, Graphs, Values
from composer.plugin import Cache, DecoderStep, Stepper

__all__ = ["CapturedCache", "CapturedSteps"]


class CapturedCache:
    """A cache in fixed places, as a search sees it: reordering is only noted, and the next step does it."""

    def __init__(self, owner: _Stepping, number: int, parents: Tensor | None = None) -> None:
        self.owner = owner
        self.number = number
        self.parents = parents

    @property
    def device(self) -> torch.device:
        return self.owner.same.device

    def reorder(self, parents: Tensor) -> CapturedCache:
        """Beam k of sample b goes on from beam parents[b, k] (parents[B, K] int64)."""
        chosen = parents if self.parents is None else self.parents.gather(1, parents)
        return CapturedCache(self.owner, self.number, chosen)

    def select(self, rows: Tensor) -> Cache:
        """The samples `rows`[R] (int64) alone, in a cache of the decoder's own: it is searched as it is."""
        return self.owner.value(self).select(rows)


class _Stepping:
    """What one search steps with."""

    def __init__(self, captured: Captured, decoder: Stepper, same: Tensor) -> None:
        self.captured = captured
        self.decoder = decoder
        self.same = same
        """Every beam goes on from itself, [B, K]."""
        self.number = 0

    def step(self, ids: Tensor, cache: Cache) -> tuple[Tensor, Cache]:
        """One step, captured unless the search has left the places."""
        if isinstance(cache, CapturedCache):
            if ids.shape == self.same.shape:
                return self._captured(ids, cache)
            cache = self.value(cache)
        logits, after = self.decoder.step(ids, cache)
        return logits, after

    def _captured(self, ids: Tensor, cache: CapturedCache) -> tuple[Tensor, CapturedCache]:
        self._hold(cache)
        _, place, parents = self.captured.values
        place.copy_(ids)
        parents.copy_(self.same if cache.parents is None else cache.parents)
        logits = self.captured()
        assert logits is not None
        self.number += 1
        # The next step writes over the logits, and a search may keep them.
        return logits.clone(), CapturedCache(self, self.number)

    def value(self, cache: CapturedCache) -> Cache:
        """What a cache in these places holds, as the decoder's own."""
        self._hold(cache)
        own: Cache = self.captured.copied()[0]
        return own if cache.parents is None else own.reorder(cache.parents)

    def _hold(self, cache: CapturedCache) -> None:
        if cache.number != self.number:
            raise RuntimeError(
                "a search that says `steps_once` went on from a cache that it had stepped from before"
            )


class CapturedSteps:
    """The captured steps of one decoder, by the shapes of their caches."""

    def __init__(self, decoder: Stepper) -> None:
        self.decoder = decoder
        self.graphs = Graphs(f"a step of a {type(decoder).__name__}", lambda: self._step)

    def begin(self, cache: Cache, *, batch: int, beams: int) -> tuple[DecoderStep, Cache]:
        """The step and the cache to search with: captured ones, or the decoder's own where that is not possible."""
        same = torch.arange(beams, device=cache.device).repeat(batch, 1)
        captured = self.graphs.lend((cache, same, same))
        if captured is None:
            return self.decoder.step, cache
        stepping = _Stepping(captured, self.decoder, same)
        return stepping.step, CapturedCache(stepping, 0)

    def _step(self, values: Values) -> tuple[Values, Tensor]:
        """The cache, ids[B, K] and parents[B, K] → the same with these tokens in the cache, and logits[B, K, V]."""
        cache, ids, parents = values
        logits, after = self.decoder.step(ids, cache.reorder(parents) if ids.shape[1] > 1 else cache)
        return (after, ids, parents), logits
