"""The plain searches: greedy, which follows one text, and beam search over summed log-probabilities.

A text is finished where its end token is among the best `beams` continuations; it leaves the search then. A sample ends
when no open beam can still enter its best `beams` texts, for a longer text never scores higher.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from composer.plugin import Cache, DecoderStep, Framing, NoConfig
from composer_core.configs import BeamConfig

__all__ = ["BeamSearch", "Hypothesis"]


@dataclass(frozen=True, slots=True)
class Hypothesis:
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
    def search(self, step: DecoderStep, cache: Cache, batch: int) -> list[list[Hypothesis]]:
        """Search all samples together; one that ends leaves the batch. Per sample at most `beams` texts, best first."""
        beams = self.beams
        finished: list[list[Hypothesis]] = [[] for _ in range(batch)]
        rows = list(range(batch))
        ids: Tensor | None = None
        scores: Tensor | None = None
        for position in range(self.framing.max_tokens):
            last = self._last(ids, batch, beams, cache)
            logits, cache = step(last, cache)
            total = self._totals(logits, scores, position)
            bar = total.flatten(1).topk(beams, dim=1).values[:, -1:]
            history = last.unsqueeze(-1) if ids is None else ids
            self._store(finished, rows, history, total, bar)
            total[:, :, self.ends] = -torch.inf
            scores, places = total.flatten(1).topk(beams, dim=1)
            parents, tokens = places // logits.shape[-1], places % logits.shape[-1]
            kept = history.gather(1, parents.unsqueeze(-1).expand(-1, -1, history.shape[2]))
            ids = torch.cat((kept, tokens.unsqueeze(-1)), dim=-1)
            cache = cache.reorder(parents) if beams > 1 else cache
            keep = [i for i, row in enumerate(rows) if not self._is_over(finished[row], float(scores[i, 0]))]
            if len(keep) < len(rows):
                if not keep:
                    rows = []
                    break
                index = torch.tensor(keep, device=ids.device)
                ids, scores, cache = ids[index], scores[index], cache.select(index)
                rows = [rows[i] for i in keep]
        for i, row in enumerate(rows):
            assert ids is not None
            assert scores is not None
            finished[row] += [
                Hypothesis(tuple(ids[i, k].tolist()), float(scores[i, k])) for k in range(beams)
            ]
        return [sorted(texts, key=lambda text: -text.score)[:beams] for texts in finished]

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

    def _last(self, ids: Tensor | None, batch: int, beams: int, cache: Cache) -> Tensor:
        if ids is not None:
            return ids[:, :, -1]
        return torch.full((batch, beams), self.framing.start, dtype=torch.int64, device=cache.device)

    def _totals(self, logits: Tensor, scores: Tensor | None, position: int) -> Tensor:
        """Summed log-probabilities [B, K, V]; at the first step the beams are equal, so one of them is alive."""
        total = logits.float().log_softmax(dim=-1)
        if position < self.framing.min_tokens:
            total[:, :, self.ends] = -torch.inf
        if scores is None:
            total[:, 1:] = -torch.inf
            return total
        return total + scores.unsqueeze(-1)

    def _store(
        self, finished: list[list[Hypothesis]], rows: list[int], ids: Tensor, total: Tensor, bar: Tensor
    ) -> None:
        """Keep the texts that end here: an ending is among the best `beams` continuations, whose worst is `bar`."""
        for end in self.ends:
            ended = total[:, :, end]
            for i, k in ((ended >= bar) & ended.isfinite()).nonzero().tolist():
                finished[rows[i]].append(Hypothesis((*ids[i, k].tolist(), end), float(ended[i, k])))

    def _is_over(self, texts: list[Hypothesis], best_open: float) -> bool:
        beams = self.beams
        return len(texts) >= beams and sorted((t.score for t in texts), reverse=True)[beams - 1] >= best_open
