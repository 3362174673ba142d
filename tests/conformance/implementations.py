"""Small torch modules: one that keeps every promise, and one for each way to break one."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from composer.types import States, Tokens


class Mixer(nn.Module):
    """Mean over the visible states, added to each: needs its mask, its weights and nothing else."""

    def __init__(self, *, width: int = 8) -> None:
        super().__init__()
        self.map = nn.Linear(width, width)

    def forward(self, *, states: States) -> States:
        return States(states.values + self.map(self.mean(states.values, states.mask)), states.mask)

    def mean(self, values: Tensor, mask: Tensor | None) -> Tensor:
        if mask is None:
            return values.mean(dim=1, keepdim=True)
        visible = mask.unsqueeze(-1).to(values.dtype)
        return (values * visible).sum(dim=1, keepdim=True) / visible.sum(dim=1, keepdim=True)

    def pooled(self, *, states: States, gain: Tensor | None = None) -> dict[str, Tensor]:
        mean = self.mean(states.values, states.mask).squeeze(1)
        return {"embedding": mean, "scores": self.map(mean) if gain is None else self.map(mean) * gain}

    def grouped(self, *, vision: States, text: States, counts: Tensor) -> States:
        """Each of text[R, L, D] with the mean of its picture, vision[B, N, D]."""
        means = self.map(self.mean(vision.values, vision.mask))
        rows = torch.repeat_interleave(counts, output_size=text.values.shape[0])
        return States(text.values + means[rows], text.mask)

    def joined(self, *, parts: tuple[States, ...]) -> Tensor:
        return torch.stack([self.mean(part.values, part.mask).squeeze(1) for part in parts]).sum(dim=0)


class WrongWidth(Mixer):
    def forward(self, *, states: States) -> States:
        return States(states.values[..., :4], states.mask)


class SwapsSymbols(Mixer):
    """Right where the batch is as long as the sequence, wrong elsewhere."""

    def forward(self, *, states: States) -> States:
        return States(states.values.transpose(0, 1), states.mask)


class BareTensor(Mixer):
    def forward(self, *, states: States) -> Any:
        return states.values


class WrongDtype(Mixer):
    def forward(self, *, states: States) -> States:
        return States(states.values.round().long(), states.mask)


class Mapped(Mixer):
    def forward(self, *, states: States) -> Any:
        return {"states": states}


class MixesBatch(Mixer):
    def forward(self, *, states: States) -> States:
        return States(states.values - states.values.mean(dim=0), states.mask)


class SeesPadding(Mixer):
    def mean(self, values: Tensor, mask: Tensor | None) -> Tensor:
        return values.mean(dim=1, keepdim=True)


class CountsPadding(Mixer):
    """Leaves hidden values out of the sum but not out of the count: only a longer row shows it."""

    def mean(self, values: Tensor, mask: Tensor | None) -> Tensor:
        return (
            values.mean(dim=1, keepdim=True) if mask is None else (values * mask.unsqueeze(-1)).mean(1, True)
        )


class CountsFromTheFirstColumn(Mixer):
    """Numbers positions from the first column, where a prompt that is padded on the left has nothing."""

    def forward(self, *, states: States) -> States:
        places = torch.arange(states.values.shape[1], device=states.values.device)
        return States(states.values + places.to(states.values.dtype).unsqueeze(1), states.mask)


class LosesMask(Mixer):
    def forward(self, *, states: States) -> States:
        return States(super().forward(states=states).values)


class NoMaskDiffers(Mixer):
    def mean(self, values: Tensor, mask: Tensor | None) -> Tensor:
        return torch.zeros_like(values[:, :1]) if mask is None else super().mean(values, mask)


class Random(Mixer):
    def forward(self, *, states: States) -> States:
        return States(nn.functional.dropout(states.values, 0.5), states.mask)


class Remembers(Mixer):
    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def forward(self, *, states: States) -> States:
        self.calls += 1
        return States(states.values * self.calls, states.mask)


class HiddenWeights(Mixer):
    """Its weights are not registered, so that no checkpoint holds them."""

    def __init__(self) -> None:
        super().__init__()
        self.secret = [torch.randn(8)]

    def forward(self, *, states: States) -> States:
        return States(states.values * self.secret[0].to(states.values.device), states.mask)


class ExtraState(Mixer):
    def get_extra_state(self) -> Any:
        return {"note": "not a tensor"}

    def set_extra_state(self, state: Any) -> None:
        pass


class Unexportable(Mixer):
    def forward(self, *, states: States) -> States:
        factor = 2.0 if states.values.sum().item() > 0 else 3.0
        return States(states.values * factor, states.mask)


class Specialised(Mixer):
    """Works at every length, but bakes the first one into what is exported."""

    def forward(self, *, states: States) -> States:
        weight = torch.ones(int(states.values.shape[1]))
        return States(states.values * weight.sum().item(), states.mask)


class Fails(Mixer):
    def forward(self, *, states: States) -> States:
        raise RuntimeError("no such kernel")


class Wide(Mixer):
    """A constant of Python's numbers, brought to double."""

    def forward(self, *, states: States) -> States:
        return States(
            states.values * torch.ones(8, dtype=torch.float64, device=states.values.device), states.mask
        )


class ChangesInput(Mixer):
    def forward(self, *, states: States) -> States:
        states.values.mul_(2)
        return States(states.values.clone(), states.mask)


class ChangesMask(Mixer):
    def forward(self, *, states: States) -> States:
        result = super().forward(states=states)
        if states.mask is not None:
            states.mask.fill_(1)
        return States(result.values, None if states.mask is None else states.mask.clone())


class CountsCalls(Mixer):
    """In a buffer, which no output shows."""

    calls: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.zeros(1))

    def forward(self, *, states: States) -> States:
        self.calls += 1
        return super().forward(states=states)


class Grows(Mixer):
    def forward(self, *, states: States) -> States:
        if not hasattr(self, "seen"):
            self.register_buffer("seen", states.values.detach().mean(dim=(0, 1)))
        return super().forward(states=states)


class Trains(Mixer):
    def forward(self, *, states: States) -> States:
        self.train()
        return super().forward(states=states)


class KeepsTheFirst(Mixer):
    """Remembers a mean by the sizes of its input."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[tuple[int, ...], Tensor] = {}

    def mean(self, values: Tensor, mask: Tensor | None) -> Tensor:
        if values.device.type == "meta":
            return super().mean(values, mask)
        return self.kept.setdefault(tuple(values.shape), super().mean(values, mask).detach())


class DeviceBound(Mixer):
    """A constant that is not registered."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = torch.linspace(1, 2, 8)

    def forward(self, *, states: States) -> States:
        return States(states.values * self.scale, states.mask)


class MakesOnTheHost(Mixer):
    def forward(self, *, states: States) -> States:
        return States(states.values + torch.arange(8.0), states.mask)


class StaysOnTheHost(Mixer):
    def forward(self, *, states: States) -> States:
        return States(super().forward(states=states).values.cpu(), states.mask)


class FloatBound(Mixer):
    """A product with a matrix that has one number format."""

    def forward(self, *, states: States) -> States:
        return States(states.values @ torch.eye(8, device=states.values.device), states.mask)


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
        mean = Mixer.mean(self, memory.values, memory.mask).squeeze(1)  # type: ignore[arg-type]
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


SHARED = Mixer()


def build_shared(config: object) -> Mixer:
    return SHARED


def build_nothing(config: object) -> object:
    return config


def __getattr__(name: str) -> Any:
    """`build_<class>` builds any class above."""
    for key, value in globals().items():
        if name == f"build_{key}":
            return lambda config: value()
    raise AttributeError(name)


class KeepsItsPart(Mixer):
    """Calls its part by a list, where nothing can come between."""

    def __init__(self) -> None:
        super().__init__()
        self.parts = [self.map]

    def forward(self, *, states: States) -> States:
        mean = self.mean(states.values, states.mask)
        return States(states.values + self.parts[0](mean), states.mask)


class AsksForTheClass(Mixer):
    """Leaves out a part that is not of the class that it was built with."""

    def forward(self, *, states: States) -> States:
        return super().forward(states=states) if type(self.map) is nn.Linear else states


class ReadsNoAdapter(Mixer):
    """Calls its part, and reads the weight that is not adapted as well."""

    def forward(self, *, states: States) -> States:
        found = super().forward(states=states)
        own = getattr(self.map, "base_layer", self.map)
        assert isinstance(own, nn.Linear)
        return States(found.values + states.values @ own.weight.T, found.mask)
