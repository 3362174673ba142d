"""Sampling: each token is drawn by its probability.

What chance decides is a pure function of the sample's seed, the position and the token, by a hash of whole numbers. So
a text depends on its own seed alone, wherever its sample stands in a batch, and the same seed draws alike on a
processor, on a GPU, live and compiled.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from composer.plugin import Cache, DecoderStep, Framing, Hypothesis, Seed, search_loop
from composer.plugin.search_loop import SampleTrace, Turn
from composer_core.configs import SampleConfig

__all__ = ["SampleSearch", "SampledText", "noise"]

# The constants of splitmix64 (Steele, Lea, Flood 2014), as signed numbers of 64 bits.
STRIDE = -0x61C8864680B583EB
FIRST_FACTOR = -0x40A7B892E31B1A47
SECOND_FACTOR = -0x6B2FB644ECCEEE15
BITS = 23
"""Of a drawn number: as many as fit a float32 with its half."""


@dataclass(frozen=True, slots=True)
class SampledText:
    """One drawn text: its ids with the start token, and the summed log-probability with which it was drawn."""

    ids: tuple[int, ...]
    score: float


class _State(NamedTuple):
    """What a turn leaves to the next one, a row for each sample."""

    seeds: Tensor
    """[B, 1] int64."""
    scores: Tensor
    """Summed log-probabilities, [B, 1]."""
    ends: Tensor
    """The tokens that end a text, [B, E] int64."""


class SampleSearch:
    """Draws one text for each sample. Rules, such as a temperature, were applied to the scores that come."""

    def __init__(self, *, config: SampleConfig, framing: Framing) -> None:
        self.framing = framing

    def search(
        self, step: DecoderStep, cache: Cache, batch: int, *, seed: Seed
    ) -> list[Sequence[Hypothesis]]:
        """One text for each sample."""
        return search_loop.search(self, step, cache, self.opening(batch, cache.device, seed=seed))

    def stream(self, step: DecoderStep, cache: Cache, *, seed: Seed) -> Iterator[int]:
        """The tokens of one sample as they are drawn."""
        return search_loop.stream(self, step, cache, self.opening(1, cache.device, seed=seed))

    def opening(self, batch: int, device: torch.device, *, seed: Seed) -> Turn:
        """Start tokens, and the seed of each sample."""
        seeds = [seed] * batch if isinstance(seed, int) else list(seed)
        state = _State(
            torch.tensor(seeds, dtype=torch.int64, device=device).unsqueeze(1),
            torch.zeros(batch, 1, device=device),
            torch.tensor(self.framing.ends, device=device).expand(batch, -1),
        )
        return Turn.opening(batch, 1, start=self.framing.start, state=state, device=device)

    def advance(self, before: Turn, logits: Tensor, position: Tensor) -> Turn:
        """Draw a token for each sample."""
        state: _State = before.state
        scores = logits[:, 0].float()
        if self.framing.min_tokens:
            early = scores.scatter(1, state.ends, -torch.inf)
            scores = torch.where(position < self.framing.min_tokens, early, scores)
        tokens = (scores + noise(state.seeds, position, scores.shape[1])).argmax(-1, keepdim=True)
        total = state.scores + scores.log_softmax(-1).gather(1, tokens)
        is_over = (tokens == state.ends).any(1)
        return Turn(tokens, before.parents, is_over, state._replace(scores=total), (total,))

    def texts(self, trace: SampleTrace) -> list[SampledText]:
        """The text that was drawn."""
        last = len(trace.moments) - 1
        ((score,),) = trace.moments[last].noted
        return [SampledText(tuple(trace.ids(last, 0)), score)]


def noise(seeds: Tensor, position: Tensor, size: int) -> Tensor:
    """Gumbel noise [B, size]: the largest of it and log-probabilities is a draw by these. seeds[B, 1], position[1]."""
    key = _mixed(_mixed(seeds) + (position + 1) * STRIDE)  # [B, 1]
    tokens = torch.arange(1, size + 1, device=seeds.device)
    drawn = _mixed(key + tokens * STRIDE)
    whole = (drawn >> (64 - BITS)) & ((1 << BITS) - 1)
    uniform = (whole.float() + 0.5) * math.ldexp(1.0, -BITS)
    return -(-uniform.log()).log()


def _mixed(number: Tensor) -> Tensor:
    """The finaliser of splitmix64, on int64 that wrap."""
    number = (number ^ _right(number, 30)) * FIRST_FACTOR
    number = (number ^ _right(number, 27)) * SECOND_FACTOR
    return number ^ _right(number, 31)


def _right(number: Tensor, bits: int) -> Tensor:
    """A shift that fills with zeros."""
    return (number >> bits) & ((1 << (64 - bits)) - 1)
