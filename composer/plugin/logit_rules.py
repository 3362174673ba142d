"""The rules of texts as pieces: each changes the scores of the next token by what a text has already.

They are those of the `generate` of transformers, in its order. All work on fixed shapes, read no number and make no
tensor of Python's numbers while a search runs, so that a turn with them can be one graph and part of a program.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

__all__ = [
    "NOTHING",
    "LogitRule",
    "Written",
    "at_least",
    "at_the_end",
    "begin_with",
    "forbid",
    "forbid_runs",
    "keep_likeliest",
    "keep_share",
    "keep_within",
    "no_repeated_runs",
    "or_end",
    "penalise",
    "scale",
    "stop_matched",
]

NOTHING = -1
"""What stands where nothing is written yet."""


class Written(NamedTuple):
    """What a rule sees of the texts."""

    ids: Tensor
    """The tokens, [B, K, 1 + M] int64: first the start token where the decoder was fed it; `NOTHING` elsewhere."""
    length: Tensor
    """How many tokens follow the start, [1] int64; it is also the place of the last one."""
    is_stopped: Tensor | None
    """Whether a text holds a stop string, [B, K] bool; None without such strings."""


LogitRule = Callable[[Tensor, Written], Tensor]
"""`rule(scores[B, K, V], written) -> scores[B, K, V]`, as a new tensor."""


def penalise(penalty: float) -> LogitRule:
    """Divide positive scores of tokens that stand in the text by the penalty, and multiply negative ones."""

    def rule(scores: Tensor, written: Written) -> Tensor:
        padded, places = _spare(scores, written.ids)
        found = padded.gather(2, places)
        changed = torch.where(found < 0, found * penalty, found / penalty)
        return padded.scatter(2, places, changed)[..., :-1]

    return rule


def no_repeated_runs(size: int) -> LogitRule:
    """Forbid a token that would end a run of `size` tokens which the text has already."""

    def rule(scores: Tensor, written: Written) -> Tensor:
        windows = written.ids.unfold(2, size, 1)  # [B, K, W, size]
        whole = (windows >= 0).all(-1)
        if size > 1:
            back = torch.arange(2 - size, 1, device=scores.device)
            tail = written.ids.index_select(2, (written.length + back).clamp(min=0))
            whole = whole & (windows[..., :-1] == tail.unsqueeze(2)).all(-1) & (written.length + 2 > size)
        _, places = _spare(scores, torch.where(whole, windows[..., -1], NOTHING))
        return scores.masked_fill(_marked(scores, places), -torch.inf)

    return rule


def forbid(ids: Sequence[int], device: torch.device) -> LogitRule:
    """These tokens are never written."""
    places = torch.tensor(sorted(set(ids)), device=device)
    return lambda scores, written: scores.index_fill(2, places, -torch.inf)


def forbid_runs(runs: Sequence[Sequence[int]], device: torch.device) -> LogitRule:
    """These runs of tokens, which are equally long, are never completed."""
    before = torch.tensor([list(run[:-1]) for run in runs], device=device)  # [S, P]
    last = torch.tensor([run[-1] for run in runs], device=device)
    size = before.shape[1]
    back = torch.arange(1 - size, 1, device=device)

    def rule(scores: Tensor, written: Written) -> Tensor:
        tail = written.ids.index_select(2, (written.length + back).clamp(min=0))  # [B, K, P]
        is_there = (tail.unsqueeze(2) == before).all(-1) & (written.length + 1 >= size)
        _, places = _spare(scores, torch.where(is_there, last, NOTHING))
        return scores.masked_fill(_marked(scores, places), -torch.inf)

    return rule


def at_least(count: int, ends: Sequence[int], device: torch.device) -> LogitRule:
    """No text ends before it has so many tokens."""
    places = torch.tensor(list(ends), device=device)

    def rule(scores: Tensor, written: Written) -> Tensor:
        return torch.where(written.length < count, scores.index_fill(2, places, -torch.inf), scores)

    return rule


def begin_with(ids: Sequence[int], device: torch.device) -> LogitRule:
    """Texts begin with these tokens."""
    table = torch.tensor(list(ids), device=device)

    def rule(scores: Tensor, written: Written) -> Tensor:
        token = table.index_select(0, written.length.clamp(max=len(table) - 1))
        return torch.where(written.length < len(table), _alone(scores, token), scores)

    return rule


def at_the_end(ids: Sequence[int], most: int, device: torch.device) -> LogitRule:
    """The last token of a text of `most` tokens is one of these."""
    places = torch.tensor(list(ids), device=device)

    def rule(scores: Tensor, written: Written) -> Tensor:
        return torch.where(written.length == most - 1, _alone(scores, places), scores)

    return rule


def stop_matched(end: int, fewest: int, device: torch.device) -> LogitRule:
    """A text that holds a stop string ends, at no cost, once it is long enough to."""
    place = torch.tensor([end], device=device)

    def rule(scores: Tensor, written: Written) -> Tensor:
        assert written.is_stopped is not None
        over = written.is_stopped & (written.length >= fewest)
        return torch.where(over.unsqueeze(-1), _alone(scores, place), scores)

    return rule


def or_end(end: int, device: torch.device) -> LogitRule:
    """Where the other rules leave no token, the text ends."""
    place = torch.tensor([end], device=device)

    def rule(scores: Tensor, written: Written) -> Tensor:
        nothing = scores.amax(-1, keepdim=True) == -torch.inf
        return torch.where(nothing, _alone(scores, place), scores)

    return rule


def scale(temperature: float) -> LogitRule:
    """Divide scores by the temperature."""
    return lambda scores, written: scores / temperature


def keep_likeliest(count: int) -> LogitRule:
    """The `count` likeliest tokens alone, and those that are as likely as the last of them."""

    def rule(scores: Tensor, written: Written) -> Tensor:
        least = scores.topk(min(count, scores.shape[-1]), dim=-1).values[..., -1:]
        return scores.masked_fill(scores < least, -torch.inf)

    return rule


def keep_share(share: float) -> LogitRule:
    """The fewest likeliest tokens that have this share of the probability together, and at least one."""

    def rule(scores: Tensor, written: Written) -> Tensor:
        ordered, places = scores.sort(dim=-1)
        is_rest = ordered.softmax(-1).cumsum(-1) <= 1 - share
        is_rest = torch.cat((is_rest[..., :-1], torch.zeros_like(is_rest[..., -1:])), dim=-1)
        return scores.masked_fill(is_rest.scatter(-1, places, is_rest), -torch.inf)

    return rule


def keep_within(share: float) -> LogitRule:
    """Tokens at least `share` as likely as the likeliest."""

    def rule(scores: Tensor, written: Written) -> Tensor:
        chances = scores.softmax(-1)
        bar = chances.amax(-1, keepdim=True) * share
        return scores.masked_fill(chances < bar, -torch.inf)

    return rule


def _spare(scores: Tensor, ids: Tensor) -> tuple[Tensor, Tensor]:
    """Scores with one place more, and ids of which those that are none of the vocabulary's point there."""
    size = scores.shape[-1]
    places = torch.where((ids < 0) | (ids >= size), size, ids)
    return torch.nn.functional.pad(scores, (0, 1)), places


def _marked(scores: Tensor, places: Tensor) -> Tensor:
    """Whether a token is at one of the places, [B, K, V]; places[B, K, N] may point beyond."""
    marks = torch.zeros((*scores.shape[:-1], scores.shape[-1] + 1), dtype=torch.bool, device=scores.device)
    return marks.scatter(2, places, True)[..., :-1]


def _alone(scores: Tensor, places: Tensor) -> Tensor:
    """Scores that leave nothing but these tokens."""
    return torch.full_like(scores, -torch.inf).index_fill(2, places, 0.0)
