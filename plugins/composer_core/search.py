"""The plain searches: greedy, which follows one text, and beam search over summed log-probabilities.

A text is finished where its end token, or one that completes a stop string, is among the best `beams` continuations; it
leaves the search then. A sample ends when no open beam can still enter its best `beams` texts, as far as `early_stop`
wants that known. Beams may be parted into groups, each of which searches for itself, and avoids the tokens that the
groups before it have just taken.
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
    stops: Tensor
    """How much of a stop string each beam ends with, [B, K] int64; unused without such strings."""


class _Group(NamedTuple):
    """A turn of one group of G beams."""

    scores: Tensor
    """[B, G]."""
    places: Tensor
    """Where its beams stand in the scores of all of its continuations, [B, G] int64."""
    best: Tensor
    """[B, G]."""
    ended: Tensor
    """Of its best continuations the scores of those that end here, [B, G]; -inf of the others."""
    ended_places: Tensor
    """Where these stand in the scores of all, [B, G] int64."""
    is_over: Tensor
    """[B] bool."""


class _Ended(NamedTuple):
    """The best continuations of all beams, as far as they end a text, [B, K] each."""

    scores: Tensor
    """-inf where a text goes on."""
    parents: Tensor
    """The beams that they go on from, int64."""
    tokens: Tensor
    """The tokens that end them, int64."""


class BeamSearch:
    """Beam search; with one beam it is greedy search."""

    def __init__(self, *, config: TextRules, framing: Framing) -> None:
        self.options = config if isinstance(config, BeamConfig) else BeamConfig(beams=1)
        self.beams = self.options.beams
        self.framing = framing
        self.uncounted = 0 if self.options.count_first else framing.first
        """Tokens at the beginning that are no part of a text's length."""

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
        tracker = self.framing.stops
        if tracker is None:
            stops = torch.zeros(batch, self.beams, dtype=torch.int64, device=device)
        else:
            stops = tracker.opening((batch, self.beams), device)
        state = _State(scores, best, ends, over, stops)
        return Turn.opening(batch, self.beams, start=self.framing.start, state=state, device=device)

    def advance(self, before: Turn, logits: Tensor, position: Tensor) -> Turn:
        """Replace the beams by their best continuations, and keep the scores of texts that end."""
        state: _State = before.state
        open_scores = state.scores.unsqueeze(-1)
        if self.framing.normalised:
            total = logits + open_scores
        else:
            total = logits.float().log_softmax(dim=-1).add_(open_scores)  # [B, K, V]
        tracker = self.framing.stops
        closing = None if tracker is None else tracker.closing(state.stops, logits.shape[-1])
        if self.options.groups == 1:
            after, parents, tokens, ended = self._whole(total, closing, before, position)
        else:
            after, parents, tokens, ended = self._grouped(total, closing, state, position)
        if tracker is not None:
            after = after._replace(stops=tracker.after(state.stops.gather(1, parents), tokens))
        return Turn(tokens, parents, after.over.all(1), after, (after.scores, *ended))

    def _whole(
        self, total: Tensor, closing: Tensor | None, before: Turn, position: Tensor
    ) -> tuple[_State, Tensor, Tensor, _Ended]:
        """All beams as one group: the state after it, parents, tokens and what ended."""
        state, vocabulary = before.state, total.shape[-1]
        found = self._group(total, closing, state.best, state.ends, position)
        parents, tokens = search_loop.beams_of(found.places, vocabulary, before)
        after = state._replace(scores=found.scores, best=found.best, over=found.is_over.unsqueeze(1))
        ended = _Ended(found.ended, found.ended_places // vocabulary, found.ended_places % vocabulary)
        return after, parents, tokens, ended

    def _grouped(
        self, total: Tensor, closing: Tensor | None, state: _State, position: Tensor
    ) -> tuple[_State, Tensor, Tensor, _Ended]:
        """The groups one after the other: the state after them, parents, tokens and what ended."""
        size, vocabulary = self.beams // self.options.groups, total.shape[-1]
        taken = torch.zeros_like(total[:, 0])  # how often groups before have just taken a token, [B, V]
        found: list[_Group] = []
        parents, tokens = [], []
        for number, start in enumerate(range(0, self.beams, size)):
            part = slice(start, start + size)
            own = total[:, part] - self.options.diversity * taken.unsqueeze(1)
            over = state.over[:, number]
            own_closing = None if closing is None else closing[:, part]
            group = self._group(own, own_closing, state.best[:, part], state.ends[:, part], position, over)
            found.append(group._replace(is_over=group.is_over | over))
            parents.append(group.places // vocabulary + start)
            tokens.append(group.places % vocabulary)
            taken = taken.scatter_add(1, tokens[-1], torch.ones_like(group.scores))

        def joined(each: Callable[[_Group], Tensor]) -> Tensor:
            return torch.cat([each(group) for group in found], dim=1)

        over = torch.stack([group.is_over for group in found], dim=1)
        after = state._replace(
            scores=joined(lambda one: one.scores), best=joined(lambda one: one.best), over=over
        )
        starts = torch.arange(0, self.beams, size, device=total.device).repeat_interleave(size)
        places = joined(lambda one: one.ended_places)
        ended = _Ended(joined(lambda one: one.ended), places // vocabulary + starts, places % vocabulary)
        return after, torch.cat(parents, 1), torch.cat(tokens, 1), ended

    def _group(
        self,
        total: Tensor,
        closing: Tensor | None,
        best: Tensor,
        ends: Tensor,
        position: Tensor,
        over: Tensor | None = None,
    ) -> _Group:
        """total[B, G, V], which may be written over, are the summed log-probabilities of all its continuations;
        those in closing[B, G, V] complete a stop string.
        """
        beams = total.shape[1]
        ended, ended_places = self._ended(total, closing, ends, best, position)
        if over is not None:
            ended = ended.masked_fill(over.unsqueeze(1), -torch.inf)
        best = torch.cat((best, ended), dim=1).topk(beams, dim=1).values
        left = total.scatter_(2, ends, -torch.inf)
        if closing is not None:
            left = left.masked_fill_(closing, -torch.inf)
        scores, places = left.flatten(1).topk(beams, dim=1)
        is_over = self._is_over(best[:, -1], scores[:, 0], position)
        return _Group(scores, places, best, ended, ended_places, is_over)

    def _ended(
        self, total: Tensor, closing: Tensor | None, ends: Tensor, best: Tensor, position: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The best `G` of all continuations: scores [B, G] of those that end, -inf of the others; and their places."""
        scores, places = total.flatten(1).topk(total.shape[1], dim=1)
        is_end = ((places % total.shape[-1]).unsqueeze(-1) == ends).any(-1)
        if self.framing.min_tokens:
            is_end = is_end & (position >= self.framing.min_tokens)
        if closing is not None:
            is_end = is_end | closing.flatten(1).gather(1, places)
        if self.options.early_stop is True:
            is_end = is_end & (best[:, -1:] == -torch.inf)
        return self._over_length(scores.masked_fill(~is_end, -torch.inf), position), places

    def _is_over(self, worst: Tensor, score: Tensor, position: Tensor) -> Tensor:
        """Whether a sample is over, [B]: by its worst text that ended, and the score of its best open beam."""
        is_full = worst > -torch.inf
        if self.options.early_stop is True:
            return is_full
        if self.options.early_stop == "never" and self.options.length_penalty > 0:
            return is_full & (
                worst >= score / self._length(self.framing.max_tokens) ** self.options.length_penalty
            )
        return is_full & (worst >= self._over_length(score, position))

    def _over_length(self, scores: Tensor, position: Tensor) -> Tensor:
        """Scores of texts whose last token, perhaps their end, is at position[1], over the length penalty."""
        if not self.options.length_penalty:
            return scores
        lengths = (position + 1 - self.uncounted).clamp(min=1)
        return scores / lengths.float() ** self.options.length_penalty

    def _length(self, tokens: int) -> float:
        """What a text of so many tokens counts as."""
        return float(max(tokens - self.uncounted, 1))

    def texts(self, trace: SampleTrace) -> list[BeamHypothesis]:
        """The best texts of a sample: those that ended on the way, and those still open where the search stopped."""
        found = self._finished(trace)
        last = trace.moments[-1]
        if not last.is_end:
            scores, *_ = last.noted
            penalty = self._length(len(trace.moments)) ** self.options.length_penalty
            found += [
                BeamHypothesis(tuple(trace.ids(len(trace.moments) - 1, beam)), scores[beam] / penalty)
                for beam in range(self.beams)
            ]
        return sorted(found, key=lambda text: -text.score)[: self.beams]

    def _finished(self, trace: SampleTrace) -> list[BeamHypothesis]:
        """The texts that have ended."""
        found: list[BeamHypothesis] = []
        for turn, moment in enumerate(trace.moments):
            _, *ended = moment.noted
            for score, parent, token in zip(*ended, strict=True):
                if score > -math.inf:
                    ids = [*trace.ids(turn - 1, parent), token]
                    found.append(BeamHypothesis(self._with_end(ids), score))
        return found

    def _with_end(self, ids: list[int]) -> tuple[int, ...]:
        """A text that a stop string has ended has an end too, where there is room for it."""
        has_room = len(ids) <= self.framing.max_tokens
        return (*ids, self.framing.end) if ids[-1] not in self.framing.ends and has_room else tuple(ids)

    def rivals(self, trace: SampleTrace) -> list[Sequence[int]]:
        """The best text that has ended, and every beam that is alive."""
        scores, *_ = trace.moments[-1].noted
        last = len(trace.moments) - 1
        alive: list[Sequence[int]] = [
            trace.ids(last, beam) for beam in range(self.beams) if scores[beam] > -math.inf
        ]
        ended = max(self._finished(trace), key=lambda text: text.score, default=None)
        return alive if ended is None else [*alive, ended.ids]
