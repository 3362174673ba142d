"""The plain searches: greedy, which follows one text, and beam search over summed log-probabilities.

A text is finished where its end token is among the best `beams` continuations; it leaves the search then. A sample ends
when no open beam can still enter its best `beams` texts, as far as `early_stop` wants that known. Beams may be parted
into groups, each of which searches for itself, and avoids the tokens that the groups before it have just taken.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from composer.plugin import Cache, DecoderStep, Framing, Hypothesis, TextRules, search_loop
from composer.plugin.search_loop import SampleTrace, Turn
from composer_core.configs import BeamConfig

__all__ = ["BeamHypothesis", "BeamSearch"]


@dataclass(frozen=True, slots=True)
class BeamHypothesis:
    """One generated text: its ids with the start token, and its summed log-probability over the length penalty."""

    ids: tuple[int, ...]
    score: float


class _State(NamedTuple):
    """What a turn leaves to the next one, a row for each sample."""

    scores: Tensor
    """Summed log-probabilities of the beams, [B, K]."""
    best: Tensor
    """Of the texts that have ended, [B, K], by group, the best first; -inf where there are fewer."""
    ends: Tensor
    """The tokens that end a text, for each beam, [B, K, E] int64."""
    over: Tensor
    """Which groups are over, [B, G] bool: they take no more texts. A sample with one group is over with it."""


class _Group(NamedTuple):
    """A turn of one group of G beams."""

    scores: Tensor
    """[B, G]."""
    places: Tensor
    """Where its beams stand in the scores of all of its continuations, [B, G] int64."""
    best: Tensor
    """[B, G]."""
    ended: Tensor
    """Scores of the texts that end here, [B, G, E]; -inf elsewhere."""
    is_over: Tensor
    """[B] bool."""


class BeamSearch:
    """Beam search; with one beam it is greedy search."""

    def __init__(self, *, config: TextRules, framing: Framing) -> None:
        self.options = config if isinstance(config, BeamConfig) else BeamConfig(beams=1)
        self.beams = self.options.beams
        self.framing = framing

    def search(self, step: DecoderStep, cache: Cache, batch: int) -> list[Sequence[Hypothesis]]:
        """Search all samples together. Per sample at most `beams` texts, best first."""
        return search_loop.search(self, step, cache, self.opening(batch, cache.device))

    @torch.no_grad()
    def stream(self, step: DecoderStep, cache: Cache) -> Iterator[int]:
        """The tokens of one sample as they are settled; the end token ends the iteration and is not given."""
        if self.beams > 1:
            yield from search_loop.stream(self, step, cache, self.opening(1, cache.device))
            return
        # A text that is only shown has no score, so this needs no probabilities.
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
        """Start tokens; only the first beam of each group of a sample is alive, for all of them are equal."""
        scores = torch.full((batch, self.beams), -torch.inf, device=device)
        best = scores.clone()
        scores[:, :: self.beams // self.options.groups] = 0.0
        ends = torch.tensor(self.framing.ends, device=device).expand(batch, self.beams, -1)
        over = torch.zeros(batch, self.options.groups, dtype=torch.bool, device=device)
        state = _State(scores, best, ends, over)
        return Turn.opening(batch, self.beams, start=self.framing.start, state=state, device=device)

    def advance(self, before: Turn, logits: Tensor, position: Tensor) -> Turn:
        """Replace the beams by their best continuations, and keep the scores of texts that end."""
        state: _State = before.state
        open_scores = state.scores.unsqueeze(-1)
        if self.framing.normalised:
            total = logits + open_scores
        else:
            total = logits.float().log_softmax(dim=-1).add_(open_scores)  # [B, K, V]
        if self.options.groups == 1:
            scores, places, best, ended, is_over = self._group(total, state.best, state.ends, position)
            parents, tokens = search_loop.beams_of(places, logits.shape[-1], before)
            after = _State(scores, best, state.ends, state.over)
        else:
            after, parents, tokens, ended = self._grouped(total, state, position)
            is_over = after.over.all(1)
        return Turn(tokens, parents, is_over, after, (after.scores, ended))

    def _grouped(
        self, total: Tensor, state: _State, position: Tensor
    ) -> tuple[_State, Tensor, Tensor, Tensor]:
        """The groups one after the other: the state after them, parents, tokens and what ended."""
        size, vocabulary = self.beams // self.options.groups, total.shape[-1]
        taken = torch.zeros_like(total[:, 0])  # how often groups before have just taken a token, [B, V]
        found: list[_Group] = []
        parents, tokens = [], []
        for number, start in enumerate(range(0, self.beams, size)):
            part = slice(start, start + size)
            own = total[:, part] - self.options.diversity * taken.unsqueeze(1)
            over = state.over[:, number]
            group = self._group(own, state.best[:, part], state.ends[:, part], position, over)
            found.append(group._replace(is_over=group.is_over | over))
            parents.append(group.places // vocabulary + start)
            tokens.append(group.places % vocabulary)
            taken = taken.scatter_add(1, tokens[-1], torch.ones_like(group.scores))

        def joined(each: Callable[[_Group], Tensor]) -> Tensor:
            return torch.cat([each(group) for group in found], dim=1)

        over = torch.stack([group.is_over for group in found], dim=1)
        after = _State(joined(lambda one: one.scores), joined(lambda one: one.best), state.ends, over)
        return after, torch.cat(parents, 1), torch.cat(tokens, 1), joined(lambda one: one.ended)

    def _group(
        self, total: Tensor, best: Tensor, ends: Tensor, position: Tensor, over: Tensor | None = None
    ) -> _Group:
        """total[B, G, V], which may be written over, are the summed log-probabilities of all its continuations."""
        beams = total.shape[1]
        ended = self._ended(total, ends, best, position)
        if over is not None:
            ended = ended.masked_fill(over[:, None, None], -torch.inf)
        best = torch.cat((best, ended.flatten(1)), dim=1).topk(beams, dim=1).values
        scores, places = total.scatter_(2, ends, -torch.inf).flatten(1).topk(beams, dim=1)
        return _Group(scores, places, best, ended, self._is_over(best[:, -1], scores[:, 0], position))

    def _ended(self, total: Tensor, ends: Tensor, best: Tensor, position: Tensor) -> Tensor:
        """Scores [B, G, E] of the texts that end here, -inf elsewhere: an ending is among the best `G` of all."""
        bar = total.flatten(1).topk(total.shape[1], dim=1).values[:, -1:]
        ended = total.gather(2, ends)
        is_good = ended >= bar.unsqueeze(-1)
        if self.framing.min_tokens:
            is_good = is_good & (position >= self.framing.min_tokens)
        if self.options.early_stop is True:
            is_good = is_good & (best[:, -1:] == -torch.inf).unsqueeze(-1)
        return self._over_length(ended.masked_fill(~is_good, -torch.inf), position)

    def _is_over(self, worst: Tensor, score: Tensor, position: Tensor) -> Tensor:
        """Whether a sample is over, [B]: by its worst text that ended, and the score of its best open beam."""
        is_full = worst > -torch.inf
        if self.options.early_stop is True:
            return is_full
        if self.options.early_stop == "never" and self.options.length_penalty > 0:
            return is_full & (worst >= score / self.framing.max_tokens**self.options.length_penalty)
        return is_full & (worst >= self._over_length(score, position))

    def _over_length(self, scores: Tensor, position: Tensor) -> Tensor:
        """Scores of texts whose last token, perhaps their end, is at position[1], over the length penalty."""
        if not self.options.length_penalty:
            return scores
        return scores / (position + 1).float() ** self.options.length_penalty

    def texts(self, trace: SampleTrace) -> list[BeamHypothesis]:
        """The best texts of a sample: those that ended on the way, and those still open where the search stopped."""
        found = self._finished(trace)
        last = trace.moments[-1]
        if not last.is_end:
            (scores, _) = last.noted
            penalty = float(len(trace.moments)) ** self.options.length_penalty
            found += [
                BeamHypothesis(tuple(trace.ids(len(trace.moments) - 1, beam)), scores[beam] / penalty)
                for beam in range(self.beams)
            ]
        return sorted(found, key=lambda text: -text.score)[: self.beams]

    def _finished(self, trace: SampleTrace) -> list[BeamHypothesis]:
        """The texts that have ended."""
        found: list[BeamHypothesis] = []
        for turn, moment in enumerate(trace.moments):
            (_, ended) = moment.noted
            for number, end in enumerate(self.framing.ends):
                for beam in range(self.beams):
                    if ended[beam][number] > -math.inf:
                        ids = trace.ids(turn - 1, beam)
                        found.append(BeamHypothesis((*ids, end), ended[beam][number]))
        return found

    def rivals(self, trace: SampleTrace) -> list[Sequence[int]]:
        """The best text that has ended, and every beam that is alive."""
        (scores, _) = trace.moments[-1].noted
        last = len(trace.moments) - 1
        alive: list[Sequence[int]] = [
            trace.ids(last, beam) for beam in range(self.beams) if scores[beam] > -math.inf
        ]
        ended = max(self._finished(trace), key=lambda text: text.score, default=None)
        return alive if ended is None else [*alive, ended.ids]
