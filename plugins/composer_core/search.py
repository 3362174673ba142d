"""The plain searches: greedy, which follows one text, and beam search over summed log-probabilities.

A text is finished where its end token is among the best `beams` continuations; it leaves the search then. A sample ends
when no open beam can still enter its best `beams` texts, for a longer text never scores higher.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from composer.plugin import Cache, DecoderStep, Framing, Hypothesis, NoConfig, search_loop
from composer.plugin.search_loop import SampleTrace, Turn
from composer_core.configs import BeamConfig

__all__ = ["BeamHypothesis", "BeamSearch"]


@dataclass(frozen=True, slots=True)
class BeamHypothesis:
    """One generated text: its ids with the start token, and its summed log-probability."""

    ids: tuple[int, ...]
    score: float


class _State(NamedTuple):
    """What a turn leaves to the next one, a row for each sample."""

    scores: Tensor
    """Summed log-probabilities of the beams, [B, K]."""
    best: Tensor
    """Of the texts that have ended, [B, K], the best first; -inf where there are fewer."""
    ends: Tensor
    """The tokens that end a text, for each beam, [B, K, E] int64."""


class BeamSearch:
    """Beam search without a length penalty; with one beam it is greedy search, which can stream."""

    def __init__(self, *, config: BeamConfig | NoConfig, framing: Framing) -> None:
        self.beams = config.beams if isinstance(config, BeamConfig) else 1
        self.framing = framing

    def search(self, step: DecoderStep, cache: Cache, batch: int) -> list[Sequence[Hypothesis]]:
        """Search all samples together. Per sample at most `beams` texts, best first."""
        return search_loop.search(self, step, cache, self.opening(batch, cache.device))

    @torch.no_grad()
    def stream(self, step: DecoderStep, cache: Cache) -> Iterator[int]:
        """Greedy search of one sample, token by token; the end token ends the iteration and is not given.

        A text that is only shown has no score, so this needs no probabilities.
        """
        token, ends = self.framing.start, list(self.framing.ends)
        for position in range(self.framing.max_tokens):
            logits, cache = step(torch.full((1, 1), token, dtype=torch.int64, device=cache.device), cache)
            scores = logits[0, 0].float()
            if position < self.framing.min_tokens:
                scores[ends] = -torch.inf
            token = int(scores.argmax())
            if token in ends:
                return
            yield token

    def opening(self, batch: int, device: torch.device) -> Turn:
        """Start tokens; only the first beam of a sample is alive, for all of them are equal."""
        scores = torch.full((batch, self.beams), -torch.inf, device=device)
        best = scores.clone()
        scores[:, 0] = 0.0
        ends = torch.tensor(self.framing.ends, device=device).expand(batch, self.beams, -1)
        state = _State(scores, best, ends)
        return Turn.opening(batch, self.beams, start=self.framing.start, state=state, device=device)

    def advance(self, before: Turn, logits: Tensor, position: Tensor) -> Turn:
        """Replace the beams by their best continuations, and keep the scores of texts that end."""
        state: _State = before.state
        total = logits.float().log_softmax(dim=-1).add_(state.scores.unsqueeze(-1))  # [B, K, V]
        ended = self._ended(total, state.ends, position)
        best = torch.cat((state.best, ended.flatten(1)), dim=1).topk(self.beams, dim=1).values
        total.scatter_(2, state.ends, -torch.inf)
        scores, places = total.flatten(1).topk(self.beams, dim=1)
        parents, tokens = search_loop.beams_of(places, logits.shape[-1], before)
        worst = best[:, -1]
        is_over = (worst > -torch.inf) & (worst >= scores[:, 0])
        return Turn(tokens, parents, is_over, _State(scores, best, state.ends), (scores, ended))

    def _ended(self, total: Tensor, ends: Tensor, position: Tensor) -> Tensor:
        """Scores [B, K, E] of the texts that end here, -inf elsewhere: an ending is among the best `beams` of all."""
        bar = total.flatten(1).topk(self.beams, dim=1).values[:, -1:]
        ended = total.gather(2, ends)
        is_good = ended >= bar.unsqueeze(-1)
        if self.framing.min_tokens:
            is_good = is_good & (position >= self.framing.min_tokens)
        return ended.masked_fill(~is_good, -torch.inf)

    def texts(self, trace: SampleTrace) -> list[BeamHypothesis]:
        """The best texts of a sample: those that ended on the way, and those still open where the search stopped."""
        found: list[BeamHypothesis] = []
        for turn, moment in enumerate(trace.moments):
            (_, ended) = moment.noted
            for number, end in enumerate(self.framing.ends):
                for beam in range(self.beams):
                    if ended[beam][number] > -math.inf:
                        ids = trace.ids(turn - 1, beam)
                        found.append(BeamHypothesis((*ids, end), ended[beam][number]))
        last = trace.moments[-1]
        if not last.is_end:
            (scores, _) = last.noted
            found += [
                BeamHypothesis(tuple(trace.ids(len(trace.moments) - 1, beam)), scores[beam])
                for beam in range(self.beams)
            ]
        return sorted(found, key=lambda text: -text.score)[: self.beams]
