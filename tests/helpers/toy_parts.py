"""The torch side of the toy plugin: modules with weights that are easy to compute by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from composer.plugin import Framing
from composer.types import States, Tokens


class Vision(nn.Module):
    def __init__(self, *, width: int, patch: int) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, width, patch, patch)
        self.first = nn.Parameter(torch.randn(width))

    def forward(self, *, pixels: Tensor) -> States:
        """pixels[B, 3, F, S, S] → states[B, F * patches + 1, D]."""
        found = [self.patches(frame).flatten(2).transpose(1, 2) for frame in pixels.unbind(2)]
        first = self.first.expand(len(pixels), 1, -1)
        return States(torch.cat([first, *found], dim=1))


class Text(nn.Module):
    def __init__(self, *, width: int) -> None:
        super().__init__()
        self.table = nn.Embedding(64, width)

    def forward(self, *, tokens: Tokens) -> States:
        return States(self.table(tokens.ids), tokens.mask)


class Open(nn.Module):
    def __init__(self, *, width: int) -> None:
        super().__init__()
        self.map = nn.Linear(width, width)

    def forward(self, *, states: States) -> States:
        return States(self.map(states.values), states.mask)


class Fuse(nn.Module):
    def __init__(self, *, width: int) -> None:
        super().__init__()
        self.map = nn.Linear(width, width)

    def forward(self, *, first: States, second: States | None = None) -> States:
        values = self.map(first.values)
        return States(values if second is None else values + second.values.mean(1, keepdim=True), first.mask)


class Join(nn.Module):
    def forward(self, *, parts: tuple[States, ...]) -> States:
        assert isinstance(parts, tuple)
        return States(sum(part.values for part in parts), parts[0].mask)


class Split(nn.Module):
    def forward(self, *, states: States) -> Mapping[str, States]:
        return {
            "right": States(states.values * 3, states.mask),
            "left": States(states.values * 2, states.mask),
        }


class Read(nn.Module):
    def __init__(self, *, width: int) -> None:
        super().__init__()
        self.table = nn.Embedding(64, width)

    def forward(self, *, ids: Tensor) -> States:
        return States(self.table(ids))


class Shared(nn.Module):
    def __init__(self, *, width: int) -> None:
        super().__init__()
        self.map = nn.Linear(width, width)

    def vision(self, *, states: States) -> States:
        return States(self.map(states.values), states.mask)

    def text(self, *, states: States) -> States:
        return States(-self.map(states.values), states.mask)

    def scaled(self, *, states: States, factor: float) -> States:
        return States(factor * self.map(states.values), states.mask)


class Decoder(nn.Module):
    def __init__(self, *, width: int) -> None:
        super().__init__()
        self.head = nn.Linear(width, 32)

    def forward(self, *, memory: States, labels: Tensor) -> Tensor:
        scores = self.head(memory.values.mean(1, keepdim=True))
        return scores.expand(-1, labels.shape[1], -1)

    def start(self, *, memory: States, beams: int, max_tokens: int) -> Tensor:
        return self.head(memory.values.mean(1))

    def step(self, ids: Tensor, cache: Tensor) -> tuple[Tensor, Tensor]:
        """Scores that depend on the memory and on the last token alone: `argmax` moves on by one per step."""
        shift = [row.roll(int(last)) for row, last in zip(cache, ids[:, -1], strict=True)]
        return torch.stack(shift).unsqueeze(1), cache


class Hypothesis(NamedTuple):
    ids: list[int]
    score: float


class Search:
    """Greedy search to exactly `max_tokens` tokens."""

    def __init__(self, *, config: Any, framing: Framing) -> None:
        self.framing, self.first = framing, framing.start

    def search(self, step: Any, cache: Any, batch: int) -> list[list[Hypothesis]]:
        ids = torch.full((batch, 1), self.first)
        found: list[Tensor] = []
        for _ in range(self.framing.max_tokens):
            logits, cache = step(ids, cache)
            ids = logits[:, 0].argmax(-1, keepdim=True)
            found.append(ids)
        return [[Hypothesis(row.tolist(), float(row.sum()))] for row in torch.cat(found, 1)]

    def stream(self, step: Any, cache: Any) -> Any:
        yield from self.search(step, cache, 1)[0][0].ids


def build_vision(config: Any) -> Vision:
    return Vision(width=config.width, patch=config.patch)


def build_text(config: Any) -> Text:
    return Text(width=config.width)


def build_open(config: Any) -> Open:
    return Open(width=config.width)


def build_fuse(config: Any) -> Fuse:
    return Fuse(width=config.width)


def build_join(config: Any) -> Join:
    return Join()


def build_split(config: Any) -> Split:
    return Split()


def build_read(config: Any) -> Read:
    return Read(width=config.width)


def build_shared(config: Any) -> Shared:
    return Shared(width=config.width)


def build_decoder(config: Any) -> Decoder:
    return Decoder(width=config.width)
