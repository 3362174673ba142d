"""A fixed list of answers, each with the probability that the decoder writes it: nothing is generated.

The answers, each with the end of a text behind it, are a tree of prefixes. A turn feeds all nodes of one level at once,
a node a beam, so that what answers begin with together is computed once, and there are as many passes as levels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from composer.plugin import Cache, DecoderStep, Framing, Hypothesis, SpellingTokenizer, search_loop
from composer.plugin.search_loop import SampleTrace, Turn
from composer.problems import InputError
from composer_core.configs import ChoicesConfig

__all__ = ["Choice", "ChoiceSearch"]


@dataclass(frozen=True, slots=True)
class Choice:
    """One answer of the list: its ids with start and end, its score, and its probability among the list."""

    ids: tuple[int, ...]
    score: float
    """Its log-probability over the length penalty."""
    text: str
    index: int
    """Where it stands in the list."""
    probability: float


class _State(NamedTuple):
    """What a turn leaves to the next one, a row for each sample: T turns, N answers, K beams."""

    totals: Tensor
    """Log-probabilities of the answers so far, [B, N]."""
    beams: Tensor
    """The beam that an answer has come to, by turn, [B, T, N] int64."""
    answers: Tensor
    """The token of an answer that follows, by turn, [B, T, N] int64; -1 beyond its end."""
    tokens: Tensor
    """What each beam is fed next, by turn, [B, T, K] int64."""
    parents: Tensor
    """The beam that it goes on from, by turn, [B, T, K] int64."""


class _Tree(NamedTuple):
    """The lists that `_State` has as tensors."""

    beams: list[list[int]]
    answers: list[list[int]]
    tokens: list[list[int]]
    parents: list[list[int]]


class ChoiceSearch:
    """Scores every answer of the list. There are as many beams as answers, for no level of the tree is wider."""

    def __init__(
        self, *, config: ChoicesConfig, framing: Framing, tokenizer: SpellingTokenizer | None
    ) -> None:
        self.framing = framing
        self.answers = config.answers
        self.length_penalty = config.length_penalty
        self.ids = _spelled(config.answers, framing, tokenizer)
        self.tree = _tree([[*ids, framing.end] for ids in self.ids], framing)
        self.turns = len(self.tree.beams)

    def search(self, step: DecoderStep, cache: Cache, batch: int) -> list[Sequence[Hypothesis]]:
        """The answers of each sample, the most probable first."""
        return search_loop.search(self, step, cache, self.opening(batch, cache.device))

    def opening(self, batch: int, device: torch.device) -> Turn:
        """Start tokens, and the tree."""
        count = len(self.ids)

        def shared(rows: list[list[int]]) -> Tensor:
            return torch.tensor(rows, device=device).expand(batch, -1, -1)

        state = _State(torch.zeros(batch, count, device=device), *map(shared, self.tree))
        return Turn.opening(batch, count, start=self.framing.start, state=state, device=device)

    def advance(self, before: Turn, logits: Tensor, position: Tensor) -> Turn:
        """Add what each answer's next token costs, and feed the next level."""
        state: _State = before.state
        size = logits.shape[-1]

        def now(table: Tensor) -> Tensor:
            return table.index_select(1, position.clamp(max=self.turns - 1))[:, 0]

        chances = logits.float().log_softmax(-1).flatten(1)  # [B, K * V]
        token = now(state.answers)
        found = chances.gather(1, now(state.beams) * size + token.clamp(min=0))
        totals = state.totals + found.masked_fill(token < 0, 0.0)
        is_over = (position >= self.turns - 1).expand(len(totals))
        return Turn(now(state.tokens), now(state.parents), is_over, state._replace(totals=totals), (totals,))

    def texts(self, trace: SampleTrace) -> list[Choice]:
        """The answers, the most probable first; of equals the one that stands first in the list."""
        (totals,) = trace.moments[-1].noted
        scores = [
            total / (len(ids) + 1) ** self.length_penalty for total, ids in zip(totals, self.ids, strict=True)
        ]
        most = max(scores)
        weights = [math.exp(score - most) for score in scores]
        whole = sum(weights)
        found = [
            Choice((self.framing.start, *ids, self.framing.end), score, answer, index, weight / whole)
            for index, (ids, score, answer, weight) in enumerate(
                zip(self.ids, scores, self.answers, weights, strict=True)
            )
        ]
        return sorted(found, key=lambda choice: -choice.score)

    def outputs(self, found: Sequence[Sequence[Choice]], device: torch.device) -> dict[str, Any]:
        """`probabilities`[B, N] in the order of the list, and `ranking`: the answers by their probability."""
        ordered = [[each.probability for each in sorted(row, key=lambda one: one.index)] for row in found]
        ranking = [[{"name": each.text, "probability": each.probability} for each in row] for row in found]
        return {"probabilities": torch.tensor(ordered, device=device), "ranking": ranking}


def _spelled(
    answers: Sequence[str], framing: Framing, tokenizer: SpellingTokenizer | None
) -> list[tuple[int, ...]]:
    """The ids of the answers. Raises InputError for those that cannot be written, told apart or made long enough."""
    if tokenizer is None or not callable(getattr(tokenizer, "spell", None)):
        raise InputError("the tokenizer of the decoder has no `spell`, which `core.choices` needs")
    found: dict[tuple[int, ...], str] = {}
    for answer in answers:
        try:
            ids = tuple(tokenizer.spell(answer))
        except InputError as error:
            raise InputError(f"answer {answer!r} cannot be written: {error}") from None
        ending = next((id for id in ids if id in framing.ends), None)
        if not ids or ending is not None:
            fault = "it has no tokens" if not ids else f"it holds {ending}, a token that ends a text"
            raise InputError(f"answer {answer!r} cannot be written: {fault}")
        if ids in found:
            raise InputError(
                f"the answers {found[ids]!r} and {answer!r} are one to the tokenizer ({list(ids)}): leave one out"
            )
        if len(ids) + 1 > framing.max_tokens:
            raise InputError(
                f"answer {answer!r} takes {len(ids) + 1} tokens with its end, and `max_tokens` is "
                f"{framing.max_tokens}: write `max_tokens: {len(ids) + 1}`"
            )
        found[ids] = answer
    return list(found)


def _tree(answers: Sequence[Sequence[int]], framing: Framing) -> _Tree:
    """The tree of answers that end with the end token, level by level; its root is the start token, on every beam."""
    levels: list[dict[tuple[int, ...], int]] = [{(): 0}]
    for depth in range(1, max(map(len, answers))):
        inner = dict.fromkeys(tuple(each[:depth]) for each in answers if len(each) > depth)
        levels.append({prefix: number for number, prefix in enumerate(inner)})
    tree = _Tree([], [], [], [])
    for depth, level in enumerate(levels):
        reached = [level.get(tuple(each[:depth]), 0) if len(each) > depth else 0 for each in answers]
        tree.beams.append(reached)
        tree.answers.append([each[depth] if len(each) > depth else -1 for each in answers])
        following = levels[depth + 1] if depth + 1 < len(levels) else {}
        spare = len(answers) - len(following)
        tree.tokens.append([*(prefix[-1] for prefix in following), *[framing.pad] * spare])
        tree.parents.append([*(level[prefix[:-1]] for prefix in following), *[0] * spare])
    return tree
