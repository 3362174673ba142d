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
from composer_mplug2.configs import SearchConfig

__all__ = ["Hypothesis", "Mplug2Search"]

LENGTH_EXPONENT = 0.6
FORBIDDEN = -1e20


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """One generated text: its ids with the start token, and its log-probability over the length penalty."""

    ids: list[int]
    score: float


@dataclass
class _Beams:
    """The samples that are still searched: tensors of one row each, and where each row came from."""

    rows: list[int]
    ids: Tensor
    """[B, K, length] int64."""
    scores: Tensor
    """Summed log-probabilities, [B, K]."""


class Mplug2Search:
    """Beam search with the published semantics; with one beam it is greedy search, which can stream."""

    def __init__(self, *, config: SearchConfig, framing: Framing) -> None:
        self.beams = config.beams
        self.framing = framing
        self.ends = list(framing.ends)

    @torch.no_grad()
    def search(self, step: DecoderStep, cache: Cache, batch: int) -> list[list[Hypothesis]]:
        """Search all samples together; one that ends leaves the batch. Per sample at most `beams` texts, best first.

        `cache` is fresh from the decoder's `start(..., beams=beams, max_tokens=max_tokens)`.
        """
        finished: list[list[Hypothesis]] = [[] for _ in range(batch)]
        beams = self._opening(batch, cache)
        for position in range(self.framing.max_tokens):
            logits, cache = step(beams.ids[:, :, -1], cache)
            parents, scores = self._extend(beams, logits, position)
            open_rows = self._collect(
                finished, beams, scores, is_last=position + 1 == self.framing.max_tokens
            )
            if not open_rows:
                break
            if len(open_rows) < len(beams.rows):
                keep = torch.tensor(open_rows, device=parents.device)
                beams.rows = [beams.rows[row] for row in open_rows]
                beams.ids, beams.scores = beams.ids[keep], beams.scores[keep]
                parents, cache = parents[keep], cache.select(keep)
            if self.beams > 1:
                cache = cache.reorder(parents)
        # Python's sort is stable: of two equal scores the one that was found first comes first, as published.
        return [sorted(texts, key=lambda text: -text.score)[: self.beams] for texts in finished]

    @torch.no_grad()
    def stream(self, step: DecoderStep, cache: Cache) -> Iterator[int]:
        """Greedy search of one sample, token by token; the end token ends the iteration and is not given.

        `cache` is fresh from the decoder's `start(..., beams=1, max_tokens=max_tokens)`.
        """
        beams = self._opening(1, cache, beams=1)
        for position in range(self.framing.max_tokens):
            logits, cache = step(beams.ids[:, :, -1], cache)
            self._extend(beams, logits, position)
            token = int(beams.ids[0, 0, -1])
            if token in self.ends:
                return
            yield token

    def _opening(self, batch: int, cache: Cache, beams: int | None = None) -> _Beams:
        """Start tokens; only the first beam of a sample is alive, for all of them are equal."""
        beams = beams or self.beams
        device = cache.device
        ids = torch.full((batch, beams, 1), self.framing.start, dtype=torch.int64, device=device)
        scores = torch.full((batch, beams), -torch.inf, device=device)
        scores[:, 0] = 0.0
        return _Beams(list(range(batch)), ids, scores)

    def _extend(self, beams: _Beams, logits: Tensor, position: int) -> tuple[Tensor, Tensor]:
        """Replace the beams by their best continuations; returns their parents[B, K] and normalised scores[B, K]."""
        # The published code takes the logarithm of the softmax, which can be -inf where log_softmax is finite.
        scores = logits.float().softmax(dim=-1).log()
        if position < self.framing.min_tokens:
            scores[:, :, self.ends] = FORBIDDEN
        penalty = ((5.0 + (position + 1)) / 6.0) ** LENGTH_EXPONENT
        normalised = (scores + beams.scores.unsqueeze(-1)) / penalty
        best, places = normalised.flatten(1).topk(beams.scores.shape[1], dim=-1)
        parents, tokens = places // logits.shape[-1], places % logits.shape[-1]
        kept = beams.ids.gather(1, parents.unsqueeze(-1).expand(-1, -1, beams.ids.shape[2]))
        beams.ids = torch.cat((kept, tokens.unsqueeze(-1)), dim=-1)
        beams.scores = best * penalty
        return parents, best

    def _collect(
        self, finished: list[list[Hypothesis]], beams: _Beams, scores: Tensor, *, is_last: bool
    ) -> list[int]:
        """Store what is finished: beams that end here, and all beams of a sample whose best one does.

        Returns the rows of `beams` that go on. Beams that ended without being the best stay in them.
        """
        tokens = beams.ids[:, :, -1].tolist()
        if not is_last and not any(token in self.ends for row in tokens for token in row):
            return list(range(len(tokens)))
        texts, values = beams.ids.tolist(), scores.tolist()
        open_rows = []
        for row, last in enumerate(tokens):
            ends = is_last or last[0] in self.ends
            finished[beams.rows[row]] += [
                Hypothesis(texts[row][beam], values[row][beam])
                for beam, token in enumerate(last)
                if ends or token in self.ends
            ]
            if not ends:
                open_rows.append(row)
        return open_rows
