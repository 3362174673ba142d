"""The plain searches: greedy, which follows one text, and beam search over summed log-probabilities.

A text is finished where its end token is among the best `beams` continuations; it leaves the search then. A sample ends
when no open beam can still enter its best `beams` texts, for a longer text never scores higher.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from composer.plugin import Cache, DecoderStep, Framing, NoConfig
from composer.plugin.search_trace import Moment, SearchTrace
from composer_core.configs import BeamConfig

__all__ = ["BeamHypothesis", "BeamSearch"]


@dataclass(frozen=True, slots=True)
class BeamHypothesis:
    """One generated text: its ids with the start token, and its summed log-probability."""

    ids: tuple[int, ...]
    score: float


class BeamSearch:
    """Beam search without a length penalty; with one beam it is greedy search, which can stream."""

    def __init__(self, *, config: BeamConfig | NoConfig, framing: Framing) -> None:
        self.beams = config.beams if isinstance(config, BeamConfig) else 1
        self.framing = framing
        self.ends = list(framing.ends)

    @torch.no_grad()
    def search(self, step: DecoderStep, cache: Cache, batch: int) -> list[list[BeamHypothesis]]:
        """Search all samples together; one that ends leaves the batch. Per sample at most `beams` texts, best first."""
        beams, device = self.beams, cache.device
        trace = SearchTrace(batch, start=self.framing.start, device=device)
        ends = torch.tensor(self.framing.ends, device=device)
        last = torch.full((batch, beams), self.framing.start, dtype=torch.int64, device=device)
        scores = torch.full((batch, beams), -torch.inf, device=device)
        scores[:, 0] = 0.0  # at the first step the beams are equal, so one of them is alive
        best = torch.full((batch, beams), -torch.inf, device=device)  # of the texts that have ended
        for position in range(self.framing.max_tokens):
            logits, cache = step(last, cache)
            total = self._totals(logits, scores, ends, position)
            ended = self._ended(total, ends)
            best = torch.cat((best, ended.flatten(1)), dim=1).topk(beams, dim=1).values
            total.index_fill_(2, ends, -torch.inf)
            scores, places = total.flatten(1).topk(beams, dim=1)
            parents, last = places // logits.shape[-1], places % logits.shape[-1]
            is_over = best[:, -1].isfinite() & (best[:, -1] >= scores[:, 0])
            trace.add(parents, last, scores, ended, done=is_over)
            cache = cache.reorder(parents) if beams > 1 else cache
            kept = trace.narrow()
            if kept is not None:
                if not len(kept):
                    break
                last, scores, best, cache = last[kept], scores[kept], best[kept], cache.select(kept)
        return [self._texts(trace, moments) for moments in trace.moments()]

    @torch.no_grad()
    def stream(self, step: DecoderStep, cache: Cache) -> Iterator[int]:
        """Greedy search of one sample, token by token; the end token ends the iteration and is not given."""
        token = self.framing.start
        for position in range(self.framing.max_tokens):
            logits, cache = step(torch.full((1, 1), token, dtype=torch.int64, device=cache.device), cache)
            scores = logits[0, 0].float()
            if position < self.framing.min_tokens:
                scores[self.ends] = -torch.inf
            token = int(scores.argmax())
            if token in self.ends:
                return
            yield token

    def _totals(self, logits: Tensor, scores: Tensor, ends: Tensor, position: int) -> Tensor:
        """Summed log-probabilities [B, K, V]."""
        total = logits.float().log_softmax(dim=-1) + scores.unsqueeze(-1)
        return total.index_fill_(2, ends, -torch.inf) if position < self.framing.min_tokens else total

    def _ended(self, total: Tensor, ends: Tensor) -> Tensor:
        """Scores [B, K, E] of the texts that end here, -inf elsewhere: an ending is among the best `beams` of all."""
        bar = total.flatten(1).topk(self.beams, dim=1).values[:, -1:]
        ended = total.index_select(2, ends)
        return ended.where(ended >= bar.unsqueeze(-1), -torch.inf)

    def _texts(self, trace: SearchTrace, moments: list[Moment]) -> list[BeamHypothesis]:
        """The best texts of a sample: those that ended on the way, and those still open where the search stopped."""
        found: list[BeamHypothesis] = []
        for step, moment in enumerate(moments):
            (_, ended) = moment.noted
            for number, end in enumerate(self.framing.ends):
                for beam in range(self.beams):
                    if ended[beam][number] > -math.inf:
                        ids = trace.ids(moments, step - 1, beam)
                        found.append(BeamHypothesis((*ids, end), ended[beam][number]))
        if not moments[-1].is_end:
            (scores, _) = moments[-1].noted
            found += [
                BeamHypothesis(tuple(trace.ids(moments, len(moments) - 1, beam)), scores[beam])
                for beam in range(self.beams)
            ]
        return sorted(found, key=lambda text: -text.score)[: self.beams]
