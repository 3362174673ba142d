"""Small decoders: one that keeps every promise, and one for each way to break one."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from composer.types import States, Tokens


def visible_mean(values: Tensor, mask: Tensor | None) -> Tensor:
    """The mean over what a mask shows of values[B, N, D], [B, 1, D]."""
    if mask is None:
        return values.mean(dim=1, keepdim=True)
    visible = mask.unsqueeze(-1).to(values.dtype)
    return (values * visible).sum(dim=1, keepdim=True) / visible.sum(dim=1, keepdim=True)


class Cache(NamedTuple):
    memory: Tensor
    history: Tensor

    @property
    def device(self) -> torch.device:
        return self.history.device

    def reorder(self, parents: Tensor) -> Cache:
        return self._replace(history=self.history.gather(1, parents))

    def select(self, rows: Tensor) -> Cache:
        return self._replace(memory=self.memory[rows], history=self.history[rows])


class Decoder(nn.Module):
    """Scores depend on the memory and on the sum of all tokens of a beam."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(11, 8)

    def forward(self, *, memory: States, tokens: Tokens) -> Tensor:
        scores = self.words(tokens.ids) @ self.words.weight.T
        return scores + memory.values.mean(dim=1) @ self.words.weight.T.unsqueeze(0).mean(0)[:, None].mean(1)

    def start(self, *, memory: States, beams: int, max_tokens: int) -> Cache:
        batch = memory.values.shape[0]
        mean = visible_mean(memory.values, memory.mask).squeeze(1)
        return Cache(mean, torch.zeros(batch, beams, dtype=torch.int64))

    def step(self, ids: Tensor, cache: Cache) -> tuple[Tensor, Cache]:
        history = cache.history * 2 + ids
        states = self.words(ids) * history.unsqueeze(-1) + cache.memory.unsqueeze(1)
        return states @ self.words.weight.T, cache._replace(history=history)


class BlindDecoder(Decoder):
    """Ignores which parts of the memory are hidden."""

    def start(self, *, memory: States, beams: int, max_tokens: int) -> Cache:
        return super().start(memory=States(memory.values), beams=beams, max_tokens=max_tokens)


class NarrowDecoder(Decoder):
    def step(self, ids: Tensor, cache: Cache) -> tuple[Tensor, Cache]:
        logits, cache = super().step(ids, cache)
        return logits[:, 0], cache


class StubbornCache(Cache):
    def reorder(self, parents: Tensor) -> Cache:
        return self


class StubbornDecoder(Decoder):
    def start(self, *, memory: States, beams: int, max_tokens: int) -> Cache:
        return StubbornCache(*super().start(memory=memory, beams=beams, max_tokens=max_tokens))


class CountingCache(NamedTuple):
    memory: Tensor
    history: Tensor
    steps: int

    @property
    def device(self) -> torch.device:
        return self.history.device

    def reorder(self, parents: Tensor) -> CountingCache:
        return self._replace(history=self.history.gather(1, parents))

    def select(self, rows: Tensor) -> CountingCache:
        return self._replace(memory=self.memory[rows], history=self.history[rows])


class CountingDecoder(Decoder):
    """Its cache counts in Python, which a compiled step could not carry on."""

    def start(self, *, memory: States, beams: int, max_tokens: int) -> CountingCache:  # type: ignore[override]
        return CountingCache(*super().start(memory=memory, beams=beams, max_tokens=max_tokens), 0)

    def step(self, ids: Tensor, cache: CountingCache) -> tuple[Tensor, CountingCache]:  # type: ignore[override]
        logits, cache = super().step(ids, cache)  # type: ignore[arg-type, assignment]
        return logits, cache._replace(steps=cache.steps + 1)


class ForgettingCache(Cache):
    """Takes the samples to be where they were."""

    def select(self, rows: Tensor) -> Cache:
        return self


class HeadCache(Cache):
    """Takes as many samples as were asked for, and not which."""

    def select(self, rows: Tensor) -> Cache:
        return self._replace(memory=self.memory[: len(rows)], history=self.history[: len(rows)])


class MarsCache(Cache):
    @property
    def device(self) -> Any:
        return "mars"


class TurningCache(Cache):
    """Reorders, but always in one way."""

    def reorder(self, parents: Tensor) -> Cache:
        return type(self)(self.memory, self.history[:, [1, 0, *range(2, self.history.shape[1])]])


class FirstSampleCache(Cache):
    """Reorders all samples as the first."""

    def reorder(self, parents: Tensor) -> Cache:
        return type(self)(self.memory, self.history[:, parents[0]])


class LosesDeviceCache(NamedTuple):
    memory: Tensor
    history: Tensor

    def reorder(self, parents: Tensor) -> LosesDeviceCache:
        return self

    def select(self, rows: Tensor) -> LosesDeviceCache:
        return self


def caching(kind: Any) -> type[Decoder]:
    """A decoder with a cache of another kind."""

    class Caching(Decoder):
        def start(self, *, memory: States, beams: int, max_tokens: int) -> Any:
            return kind(*super().start(memory=memory, beams=beams, max_tokens=max_tokens))

    return Caching


ForgettingDecoder, HeadDecoder = caching(ForgettingCache), caching(HeadCache)
MarsDecoder, TurningDecoder = caching(MarsCache), caching(TurningCache)
FirstSampleDecoder, LosesDeviceDecoder = caching(FirstSampleCache), caching(LosesDeviceCache)


class ListDecoder(Decoder):
    def step(self, ids: Tensor, cache: Cache) -> Any:
        return list(super().step(ids, cache))


class NoCacheDecoder(Decoder):
    def step(self, ids: Tensor, cache: Cache) -> Any:
        return super().step(ids, cache)[0], None


class WholeDecoder(Decoder):
    def step(self, ids: Tensor, cache: Cache) -> Any:
        logits, cache = super().step(ids, cache)
        return logits.long(), cache


class CrossSampleDecoder(Decoder):
    def step(self, ids: Tensor, cache: Cache) -> tuple[Tensor, Cache]:
        logits, cache = super().step(ids, cache)
        return logits - logits.mean(dim=0, keepdim=True), cache


class CrossBeamDecoder(Decoder):
    def step(self, ids: Tensor, cache: Cache) -> tuple[Tensor, Cache]:
        logits, cache = super().step(ids, cache)
        return logits + logits.amax(dim=1, keepdim=True), cache


class FixedBeamsDecoder(Decoder):
    """Has as many beams as somebody once needed."""

    def start(self, *, memory: States, beams: int, max_tokens: int) -> Cache:
        return super().start(memory=memory, beams=3, max_tokens=max_tokens)


class OneBeamDecoder(Decoder):
    """Begins with one beam, whatever it is told: the others come with the first ids."""

    def start(self, *, memory: States, beams: int, max_tokens: int) -> Cache:
        return super().start(memory=memory, beams=1, max_tokens=max_tokens)


class FixedRoomDecoder(Decoder):
    """Has room for as many tokens as somebody once needed: it counts them in the memory's first entry."""

    def start(self, *, memory: States, beams: int, max_tokens: int) -> Cache:
        cache = super().start(memory=memory, beams=beams, max_tokens=max_tokens)
        return cache._replace(memory=torch.cat((cache.memory, torch.zeros_like(cache.memory[:, :1])), dim=1))

    def step(self, ids: Tensor, cache: Cache) -> tuple[Tensor, Cache]:
        count = cache.memory[:, -1:]
        room = torch.arange(6)
        assert bool((count < len(room)).all()), "no room"
        logits, after = super().step(ids, cache._replace(memory=cache.memory[:, :-1]))
        return logits, after._replace(memory=torch.cat((after.memory, count + 1), dim=1))


class LongerIsLouderDecoder(Decoder):
    """Its scores depend on the room that was asked for."""

    def start(self, *, memory: States, beams: int, max_tokens: int) -> Cache:
        cache = super().start(memory=memory, beams=beams, max_tokens=max_tokens)
        return cache._replace(memory=cache.memory * max_tokens)


class InPlaceDecoder(Decoder):
    """Writes into the cache that it was given."""

    def step(self, ids: Tensor, cache: Cache) -> tuple[Tensor, Cache]:
        logits, after = super().step(ids, cache)
        cache.history.copy_(after.history)
        return logits, cache


class PrefillingDecoder(Decoder):
    def start(self, *, beams: int, max_tokens: int) -> Cache:  # type: ignore[override]
        return Cache(torch.zeros(beams, 1), torch.zeros(0))

    def prefill(self, *, memory: States, cache: Cache) -> tuple[Tensor, Cache]:
        beams = cache.memory.shape[0]
        cache = Decoder.start(self, memory=memory, beams=beams, max_tokens=0)
        return self.step(torch.ones_like(cache.history), cache)


class CrossPrefillingDecoder(PrefillingDecoder):
    def prefill(self, *, memory: States, cache: Cache) -> tuple[Tensor, Cache]:
        logits, cache = super().prefill(memory=memory, cache=cache)
        return logits - logits.mean(dim=0, keepdim=True), cache
