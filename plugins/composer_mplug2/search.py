"""The search of mPLUG-2: beam search as published, with a key/value cache; with one beam it is greedy and streams.

Why the loop is ours: generation of the transformers library cannot reproduce the published results. There, a beam that
finishes leaves the search and 2 * beams candidates make up for it; a sample ends when no open beam can still win; and
the length penalty divides finished hypotheses alone. Published mPLUG-2 keeps exactly `beams` candidates, scores all of
them with the length penalty at every step, lets a finished beam that is not the best go on past its end token, and
stops a sample as soon as its best beam is finished.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from composer.plugin import Cache, DecoderStep, Framing
from composer.plugin.search_trace import Moment, SearchTrace
from composer_mplug2.configs import SearchConfig

__all__ = ["Mplug2Hypothesis", "Mplug2Search"]

LENGTH_EXPONENT = 0.6
FORBIDDEN = -1e20


@dataclass(frozen=True, slots=True)
class Mplug2Hypothesis:
    """One generated text: its ids with the start token, and its log-probability over the length penalty."""

    ids: list[int]
    score: float


class Mplug2Search:
    """Beam search with the published semantics; with one beam it is greedy search, which can stream."""

    def __init__(self, *, config: SearchConfig, framing: Framing) -> None:
        self.beams = config.beams
        self.framing = framing

    @torch.no_grad()
    def search(self, step: DecoderStep, cache: Cache, batch: int) -> list[list[Mplug2Hypothesis]]:
        """Search all samples together; one that ends leaves the batch. Per sample at most `beams` texts, best first.

        `cache` is fresh from the decoder's `start(..., beams=beams, max_tokens=max_tokens)`.
        """
        device = cache.device
        trace = SearchTrace(batch, start=self.framing.start, device=device)
        beams = _Beams.opening(batch, self.beams, self.framing, device)
        for position in range(self.framing.max_tokens):
            logits, cache = step(beams.last, cache)
            parents, scores = self._extend(beams, logits, position)
            trace.add(parents, beams.last, scores, done=torch.isin(beams.last[:, 0], beams.ends))
            kept = trace.narrow()
            if kept is not None:
                if not len(kept):
                    break
                beams.last, beams.scores = beams.last[kept], beams.scores[kept]
                parents, cache = parents[kept], cache.select(kept)
            if self.beams > 1:
                cache = cache.reorder(parents)
        return [self._texts(trace, moments) for moments in trace.moments()]

    @torch.no_grad()
    def stream(self, step: DecoderStep, cache: Cache) -> Iterator[int]:
        """Greedy search of one sample, token by token; the end token ends the iteration and is not given.

        `cache` is fresh from the decoder's `start(..., beams=1, max_tokens=max_tokens)`.
        """
        beams = _Beams.opening(1, 1, self.framing, cache.device)
        for position in range(self.framing.max_tokens):
            logits, cache = step(beams.last, cache)
            self._extend(beams, logits, position)
            token = int(beams.last)
            if token in self.framing.ends:
                return
            yield token

    def _extend(self, beams: _Beams, logits: Tensor, position: int) -> tuple[Tensor, Tensor]:
        """Replace the beams by their best continuations; returns their parents[B, K] and normalised scores[B, K]."""
        # The published code takes the logarithm of the softmax, which can be -inf where log_softmax is finite.
        scores = logits.float().softmax(dim=-1).log()
        if position < self.framing.min_tokens:
            scores.index_fill_(2, beams.ends, FORBIDDEN)
        penalty = ((5.0 + (position + 1)) / 6.0) ** LENGTH_EXPONENT
        normalised = (scores + beams.scores.unsqueeze(-1)) / penalty
        best, places = normalised.flatten(1).topk(beams.scores.shape[1], dim=-1)
        parents, beams.last = places // logits.shape[-1], places % logits.shape[-1]
        beams.scores = best * penalty
        return parents, best

    def _texts(self, trace: SearchTrace, moments: list[Moment]) -> list[Mplug2Hypothesis]:
        """What a sample stored: beams that end, also those that are not the best, and all beams of its last step."""
        found = []
        for step, moment in enumerate(moments):
            (scores,) = moment.noted
            is_last = moment is moments[-1]
            found += [
                Mplug2Hypothesis(trace.ids(moments, step, beam), scores[beam])
                for beam, token in enumerate(moment.tokens)
                if is_last or token in self.framing.ends
            ]
        # Python's sort is stable: of two equal scores the one that was found first comes first, as published.
        return sorted(found, key=lambda text: -text.score)[: self.beams]


@dataclass
class _Beams:
    """The samples that are still searched, in tensors of one row each."""

    last: Tensor
    """The last token of every beam, [B, K] int64."""
    scores: Tensor
    """Summed log-probabilities, [B, K]."""
    ends: Tensor
    """The tokens that end a text, [E] int64."""

    @classmethod
    def opening(cls, batch: int, beams: int, framing: Framing, device: torch.device) -> _Beams:
        """Start tokens; only the first beam of a sample is alive, for all of them are equal."""
        last = torch.full((batch, beams), framing.start, dtype=torch.int64, device=device)
        scores = torch.full((batch, beams), -torch.inf, device=device)
        scores[:, 0] = 0.0
        return cls(last, scores, torch.tensor(framing.ends, device=device))
