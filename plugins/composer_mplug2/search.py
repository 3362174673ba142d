"""The search of mPLUG-2: beam search as published, with a key/value cache; with one beam it is greedy and streams.

Why it is ours: generation of the transformers library cannot reproduce the published results. There, a beam that
finishes leaves the search and 2 * beams candidates make up for it; a sample ends when no open beam can still win; and
the length penalty divides finished hypotheses alone. Published mPLUG-2 keeps exactly `beams` candidates, scores all of
them with the length penalty at every step, lets a finished beam that is not the best go on past its end token, and
stops a sample as soon as its best beam is finished.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from composer.plugin import Cache, DecoderStep, Framing, Hypothesis, search_loop
from composer.plugin.search_loop import SampleTrace, Turn
from composer_mplug2.configs import SearchConfig

__all__ = ["Mplug2Hypothesis", "Mplug2Search"]

LENGTH_EXPONENT = 0.6
FORBIDDEN = -1e20


@dataclass(frozen=True, slots=True)
class Mplug2Hypothesis:
    """One generated text: its ids with the start token, and its log-probability over the length penalty."""

    ids: list[int]
    score: float


class _State(NamedTuple):
    """What a turn leaves to the next one, a row for each sample."""

    scores: Tensor
    """Summed log-probabilities of the beams, [B, K]."""
    penalties: Tensor
    """The length penalty of each turn, [B, M]."""


class Mplug2Search:
    """Beam search with the published semantics; with one beam it is greedy search."""

    def __init__(self, *, config: SearchConfig, framing: Framing) -> None:
        self.beams = config.beams
        self.framing = framing

    def search(self, step: DecoderStep, cache: Cache, batch: int) -> list[Sequence[Hypothesis]]:
        """Search all samples together. Per sample at most `beams` texts, best first.

        `cache` is fresh from the decoder's `start(..., beams=beams, max_tokens=max_tokens)`.
        """
        return search_loop.search(self, step, cache, self.opening(batch, cache.device))

    def stream(self, step: DecoderStep, cache: Cache) -> Iterator[int]:
        """The tokens of one sample as they are settled; the end token ends the iteration and is not given.

        `cache` is fresh from the decoder's `start(..., beams=beams, max_tokens=max_tokens)`.
        """
        return search_loop.stream(self, step, cache, self.opening(1, cache.device))

    def opening(self, batch: int, device: torch.device) -> Turn:
        """Start tokens; only the first beam of a sample is alive, for all of them are equal."""
        scores = torch.full((batch, self.beams), -torch.inf, device=device)
        scores[:, 0] = 0.0
        lengths = range(1, self.framing.max_tokens + 1)
        values = [((5.0 + length) / 6.0) ** LENGTH_EXPONENT for length in lengths]
        penalties = torch.tensor(values, dtype=torch.float32, device=device).expand(batch, -1)
        state = _State(scores, penalties)
        return Turn.opening(batch, self.beams, start=self.framing.start, state=state, device=device)

    def advance(self, before: Turn, logits: Tensor, position: Tensor) -> Turn:
        """Replace the beams by their best continuations; noted are their normalised scores[B, K]."""
        state: _State = before.state
        # The published code takes the logarithm of the softmax, which can be -inf where log_softmax is finite.
        scores = logits.clone() if self.framing.normalised else logits.float().softmax(dim=-1).log_()
        if self.framing.min_tokens:
            is_early = position < self.framing.min_tokens
            for end in self.framing.ends:
                scores.select(2, end).masked_fill_(is_early, FORBIDDEN)
        penalty = state.penalties.index_select(1, position)  # [B, 1]
        normalised = scores.add_(state.scores.unsqueeze(-1)).div_(penalty.unsqueeze(-1))
        best, places = normalised.flatten(1).topk(self.beams, dim=-1)
        parents, tokens = search_loop.beams_of(places, logits.shape[-1], before)
        return Turn(
            tokens, parents, self._ended(tokens[:, 0]), _State(best * penalty, state.penalties), (best,)
        )

    def _ended(self, tokens: Tensor) -> Tensor:
        """Whether each of these tokens ends a text."""
        first, *others = self.framing.ends
        ended = tokens == first
        for end in others:
            ended = ended | (tokens == end)
        return ended

    def texts(self, trace: SampleTrace) -> list[Mplug2Hypothesis]:
        """What a sample stored: beams that end, also those that are not the best, and all beams of its last turn."""
        found = self._stored(trace)
        # Python's sort is stable: of two equal scores the one that was found first comes first, as published.
        return sorted(found, key=lambda text: -text.score)[: self.beams]

    def _stored(self, trace: SampleTrace, *, with_last: bool = True) -> list[Mplug2Hypothesis]:
        """Texts that ended on the way, and with the last turn all of its beams."""
        found = []
        for turn, moment in enumerate(trace.moments):
            (scores,) = moment.noted
            is_last = with_last and moment is trace.moments[-1]
            found += [
                Mplug2Hypothesis(trace.ids(turn, beam), scores[beam])
                for beam, token in enumerate(moment.tokens)
                if is_last or token in self.framing.ends
            ]
        return found

    def rivals(self, trace: SampleTrace) -> list[Sequence[int]]:
        """The best text that has ended, and every beam: they go on."""
        last = len(trace.moments) - 1
        (scores,) = trace.moments[-1].noted
        beams: list[Sequence[int]] = [
            trace.ids(last, beam) for beam in range(self.beams) if scores[beam] > -math.inf
        ]
        ended = max(self._stored(trace, with_last=False), key=lambda text: text.score, default=None)
        return beams if ended is None else [*beams, ended.ids]
