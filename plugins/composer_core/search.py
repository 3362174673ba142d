"""The plain search: the texts with the highest probability, as far as the beams see; one beam is greedy search.

Scores are summed log-probabilities, without a length penalty. They only fall as a text grows, so a sample is done as
soon as `beams` texts are finished and none that is still open has a higher score: what is returned is what a longer
search with the same beams would return.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from composer.plugin import GenerateOptions

__all__ = ["Hypothesis", "PlainSearch"]

Step = Callable[[Tensor, Any], tuple[Tensor, Any]]
"""`step(ids[B, K], cache) -> (logits[B, K, V], cache)`, the decoder's."""


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """One generated text: its ids with the start token, and its summed log-probability."""

    ids: list[int]
    score: float


@dataclass
class _Sample:
    """What is known of one sample: its finished texts, best first, and its open beams as ids and scores."""

    row: int
    finished: list[Hypothesis] = field(default_factory=list)
    open: list[Hypothesis] = field(default_factory=list)

    def finish(self, text: Hypothesis) -> None:
        self.finished.append(text)
        self.finished.sort(key=lambda text: -text.score)

    def is_done(self, beams: int) -> bool:
        """Whether no open beam can still come among the best `beams`."""
        if not self.open:
            return True
        return len(self.finished) >= beams and self.finished[beams - 1].score >= self.open[0].score


class PlainSearch:
    """Beam search over summed log-probabilities."""

    def __init__(self, *, options: GenerateOptions, start: int, end: int, pad: int) -> None:
        self.options = options
        self.start = start
        self.end = end
        self.pad = pad

    @torch.no_grad()
    def search(self, step: Step, cache: Any, batch: int) -> list[list[Hypothesis]]:
        """Search all samples together; one that is done leaves the batch. Per sample `beams` texts, best first.

        `cache` is fresh from the decoder's `start(..., beams=beams, max_tokens=max_tokens)`. Texts that reach
        `max_tokens` without the end token count as they stand.
        """
        width = self.options.beams
        samples = [_Sample(row, open=[Hypothesis([self.start], 0.0)] * width) for row in range(batch)]
        searched = samples
        for position in range(self.options.max_tokens):
            device = cache.length.device
            last = torch.tensor(
                [[text.ids[-1] for text in sample.open] for sample in searched], device=device
            )
            logits, cache = step(last, cache)
            parents = self._extend(searched, self._scores(logits, position), first=position == 0)
            going = [index for index, sample in enumerate(searched) if not sample.is_done(width)]
            if not going:
                break
            rows = torch.tensor(going, device=device)
            if len(going) < len(searched):
                searched = [searched[index] for index in going]
                cache = cache.select(rows)
            if width > 1:
                cache = cache.reorder(torch.tensor([parents[index] for index in going], device=device))
        return [sorted([*s.finished, *s.open], key=lambda text: -text.score)[:width] for s in samples]

    @torch.no_grad()
    def stream(self, step: Step, cache: Any) -> Iterator[int]:
        """Greedy search of one sample, token by token; the end token ends the iteration and is not given."""
        token = self.start
        for position in range(self.options.max_tokens):
            logits, cache = step(torch.tensor([[token]], device=cache.length.device), cache)
            token = int(self._scores(logits, position)[0, 0].argmax())
            if token == self.end:
                return
            yield token

    def _scores(self, logits: Tensor, position: int) -> Tensor:
        """Log-probabilities [B, K, V] of the next token; the end token is ruled out before `min_tokens`."""
        scores = logits.float().log_softmax(dim=-1)
        if position < self.options.min_tokens:
            scores[:, :, self.end] = -torch.inf
        return scores

    def _extend(self, samples: list[_Sample], scores: Tensor, *, first: bool) -> list[list[int]]:
        """Replace every sample's open beams by their best continuations; returns the beam that each one goes on from.

        Of 2K candidates at most K end a text, so K are left to go on with. At the start all beams are the same text,
        and the first one stands for all.
        """
        width, vocabulary = self.options.beams, scores.shape[-1]
        before = torch.tensor([[text.score for text in s.open] for s in samples], device=scores.device)
        totals = scores + before.unsqueeze(-1)
        if first:
            totals[:, 1:] = -torch.inf
        count = min(2 * width, totals[0].numel())
        best, places = totals.flatten(1).topk(count, dim=-1)
        parents = []
        for sample, values, indices in zip(samples, best.tolist(), places.tolist(), strict=True):
            chosen: list[tuple[int, Hypothesis]] = []
            for rank, (score, index) in enumerate(zip(values, indices, strict=True)):
                parent, token = divmod(index, vocabulary)
                text = Hypothesis([*sample.open[parent].ids, token], score)
                if token != self.end:
                    chosen.append((parent, text))
                elif rank < width and score > -torch.inf:
                    sample.finish(text)
                if len(chosen) == width:
                    break
            sample.open = [text for _, text in chosen]
            parents.append([parent for parent, _ in chosen])
        return parents
