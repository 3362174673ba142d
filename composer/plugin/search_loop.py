"""A search turn by turn: what the beams are is a value of tensors, and one function gives it for the next token.

Such a policy (`composer.plugin.TurnTaking`) never looks at its numbers, so that an accelerator need
not wait for the host: what is decided stays on the device, and texts are read off when the search is over. The loop is
here, once for all of them; a GPU runs a whole turn as one graph (`composer.execution.captured_search`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from composer.plugin.contracts import Cache, DecoderStep, Hypothesis, TurnTaking

__all__ = [
    "Moment",
    "RunAsItIs",
    "SampleTrace",
    "Taken",
    "Turn",
    "Turns",
    "beams_of",
    "found_in",
    "most_turns",
    "next_turn",
    "search",
    "still_done",
    "stream",
    "tokens_in",
]

TURNS_BETWEEN_LOOKS = 8
"""Turns of an accelerator between two looks of the host. Those beyond the end of a text change nothing."""


class Turn(NamedTuple):
    """What a search has decided, in tensors with one row for each sample."""

    tokens: Tensor
    """The last token of each beam, which the decoder reads next, [B, K] int64."""
    parents: Tensor
    """The beam before that each beam goes on from, [B, K] int64."""
    done: Tensor
    """Whether the sample is over with this turn, [B] bool. The loop remembers it of earlier ones."""
    state: Any
    """What else the next turn needs: tensors in records and tuples, each with a row for each sample."""
    noted: tuple[Tensor, ...] = ()
    """What texts are made of besides tokens and parents, [B, ...] each."""

    @classmethod
    def opening(cls, batch: int, beams: int, *, start: int, state: Any, device: torch.device) -> Turn:
        """Before the first token: each beam holds the start token."""
        tokens = torch.full((batch, beams), start, dtype=torch.int64, device=device)
        parents = torch.arange(beams, device=device).repeat(batch, 1)
        return cls(tokens, parents, torch.zeros(batch, dtype=torch.bool, device=device), state)

    @property
    def told(self) -> tuple[Tensor, ...]:
        """What the host reads of it in the end."""
        return (self.parents, self.tokens, self.done, *self.noted)


@dataclass(frozen=True)
class Moment:
    """One turn of one sample, on the host: parents[K] and tokens[K] of the beams, and what the policy noted besides."""

    parents: list[int]
    tokens: list[int]
    noted: list[Any]
    is_end: bool
    """Whether the sample is over with it."""


@dataclass(frozen=True)
class SampleTrace:
    """All turns of one sample, up to the one that ended it."""

    start: int
    moments: list[Moment]

    def ids(self, turn: int, beam: int) -> list[int]:
        """The text of a beam after a turn: its tokens behind the start token. Before the first turn it is -1."""
        tokens = []
        for moment in reversed(self.moments[: turn + 1]):
            tokens.append(moment.tokens[beam])
            beam = moment.parents[beam]
        return [self.start, *reversed(tokens)]


Taken = tuple[list[int], Sequence[Tensor]]
"""Turns of the same samples: which sample each row is, and what is told of them, [turns, R, ...] each."""


class Turns(Protocol):
    """The turns of one search, however they are run."""

    narrows: bool
    """Whether samples leave when they are over; otherwise each turn is the same program, until the last one is over."""

    def take(self) -> Turn:
        """Run the next turn."""

    def select(self, rows: list[int]) -> None:
        """Go on with these rows alone."""

    def taken(self) -> list[Taken]:
        """All turns so far."""


def beams_of(places: Tensor, vocabulary: int, before: Turn) -> tuple[Tensor, Tensor]:
    """Parents[B, K] and tokens[B, K] of continuations that are places[B, K] in the scores of all beams, [B, K * V]."""
    if places.shape[1] == 1:
        return before.parents, places
    return places // vocabulary, places % vocabulary


def next_turn(
    policy: TurnTaking, step: DecoderStep, cache: Cache, before: Turn, position: Tensor
) -> tuple[Cache, Turn]:
    """The decoder reads the last tokens, and the search decides; position[1] counts the turns before."""
    logits, cache = step(before.tokens, cache)
    return cache, policy.advance(before, logits, position)


def still_done(before: Turn, after: Turn) -> Turn:
    """The turn after another, whose samples stay done."""
    return after._replace(done=before.done | after.done)


def most_turns(policy: TurnTaking) -> int:
    """How many turns a search takes at most: `max_tokens`, or fewer where the policy knows by `turns`."""
    return min(policy.framing.max_tokens, getattr(policy, "turns", policy.framing.max_tokens))


class RunAsItIs:
    """Turns that run operation by operation. On the processor a sample leaves when it is over."""

    def __init__(self, policy: TurnTaking, step: DecoderStep, cache: Cache, opening: Turn) -> None:
        self.policy, self.step, self.cache, self.last = policy, step, cache, opening
        batch, self.beams = opening.tokens.shape
        self.narrows = opening.tokens.device.type == "cpu"
        self.positions = torch.arange(policy.framing.max_tokens, device=opening.tokens.device)
        self.rows = list(range(batch))
        self.told: list[tuple[list[int], tuple[Tensor, ...]]] = []

    def take(self) -> Turn:
        number = len(self.told)
        if number and self.beams > 1:
            self.cache = self.cache.reorder(self.last.parents)
        position = self.positions.narrow(0, number, 1)
        self.cache, after = next_turn(self.policy, self.step, self.cache, self.last, position)
        self.last = after if self.narrows else still_done(self.last, after)
        self.told.append((self.rows, self.last.told))
        return self.last

    def select(self, rows: list[int]) -> None:
        kept = torch.tensor(rows, dtype=torch.int64, device=self.last.tokens.device)
        self.rows = [self.rows[row] for row in rows]
        self.cache = self.cache.select(kept)
        self.last = tree_map(lambda tensor: tensor[kept], self.last)

    def taken(self) -> list[Taken]:
        groups: list[tuple[list[int], list[tuple[Tensor, ...]]]] = []
        for rows, told in self.told:
            if not groups or groups[-1][0] is not rows:
                groups.append((rows, []))
            groups[-1][1].append(told)
        return [(rows, [torch.stack(each) for each in zip(*told, strict=True)]) for rows, told in groups]


@torch.no_grad()
def found_in(turns: Turns, policy: TurnTaking, batch: int) -> list[Sequence[Hypothesis]]:
    """Take turns until every sample is over, and make texts of them."""
    most = most_turns(policy)
    for number in range(1, most + 1):
        done = turns.take().done
        if number == most:
            break
        if turns.narrows:
            ended = done.tolist()
            if all(ended):
                break
            if any(ended):
                turns.select([row for row, over in enumerate(ended) if not over])
        elif number % TURNS_BETWEEN_LOOKS == 0 and bool(done.all()):
            break
    return [policy.texts(trace) for trace in _traces(turns.taken(), policy.framing.start, batch)]


def tokens_in(turns: Turns, policy: TurnTaking) -> Iterator[int]:
    """The tokens of one sample, turn by turn, as soon as no later turn can change them; ends are not given."""
    for _ in range(most_turns(policy)):
        with torch.no_grad():
            last = turns.take()
        if last.tokens.shape[1] > 1:
            yield from _settled_in(turns, policy, is_over=bool(last.done))
            return
        if bool(last.done):
            return
        yield int(last.tokens)


def _settled_in(turns: Turns, policy: Any, *, is_over: bool) -> Iterator[int]:
    """The same where several beams are followed and the first turn was taken: what all that may win begin with."""
    start, most, shown = policy.framing.start, most_turns(policy), 1
    for number in range(1, most + 1):
        (trace,) = _traces(turns.taken(), start, 1)
        if is_over or number == most:
            break
        settled = _common([list(ids) for ids in policy.rivals(trace)])
        yield from settled[shown:]
        shown = max(shown, len(settled))
        with torch.no_grad():
            is_over = bool(turns.take().done)
    best = list(policy.texts(trace)[0].ids)
    yield from best[shown : len(best) - (best[-1] in policy.framing.ends)]


def _common(texts: list[list[int]]) -> list[int]:
    """What all of these texts begin with."""
    same = takewhile(lambda tokens: len(set(tokens)) == 1, zip(*texts, strict=False))
    return [tokens[0] for tokens in same]


def search(policy: TurnTaking, step: DecoderStep, cache: Cache, opening: Turn) -> list[Sequence[Hypothesis]]:
    """What the `search` of such a policy gives."""
    return found_in(RunAsItIs(policy, step, cache, opening), policy, len(opening.tokens))


def stream(policy: TurnTaking, step: DecoderStep, cache: Cache, opening: Turn) -> Iterator[int]:
    """What the `stream` of such a policy gives."""
    return tokens_in(RunAsItIs(policy, step, cache, opening), policy)


def _traces(taken: list[Taken], start: int, batch: int) -> list[SampleTrace]:
    found = [SampleTrace(start, []) for _ in range(batch)]
    ended: set[int] = set()
    for rows, columns in taken:
        for told in zip(*(column.tolist() for column in columns), strict=True):
            for row, sample in enumerate(rows):
                if sample not in ended:
                    parents, tokens, done, *noted = (column[row] for column in told)
                    found[sample].moments.append(Moment(parents, tokens, noted, done))
                    if done:
                        ended.add(sample)
    return found
