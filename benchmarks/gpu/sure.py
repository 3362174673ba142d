"""Weights whose answers are sure: at every step of a search the best token is far ahead of the second.

Random weights score all tokens about alike, so that the rounding of bfloat16 decides which one is the best, and other
ids say nothing. Here the head of the decoder is built for a given answer. The states that it reads along that answer
are known, x_1 .. x_n; its dense layer is the linear map that takes x_i to the embedding of the i-th token, far enough
up that GELU is the identity there; its norm takes the offset away again and scales the scores until every step has the
margin. Everything else stays random: encoder, cache and all layers of the decoder are what makes the x_i.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

__all__ = ["MARGIN", "make_sure", "margins", "sure_answer"]

MARGIN = 20.0
"""Of the best score over the second, in float32; scores of this size are rounded by 0.25 at most in bfloat16."""
OFFSET = 8.0
"""Where GELU is the identity for numbers of the size of a normal deviate around it."""


def sure_answer(generator: Any) -> list[int]:
    """Ids of an answer of the longest length, all different and none of them special."""
    vocabulary = generator.decoder.embeddings.words.num_embeddings
    first, most = vocabulary // 2, generator.framing.max_tokens
    chosen = [first + 7 * number for number in range(most)]
    framing = generator.framing
    assert not {framing.start, framing.pad, *framing.ends} & set(chosen)
    assert chosen[-1] < vocabulary
    return chosen


def make_sure(generator: Any, memories: Sequence[dict[str, Any]], answer: Sequence[int]) -> float:
    """Change the head of a decoder so that every memory gives the answer; the smallest margin that was measured."""
    head, words = generator.decoder.head, generator.decoder.embeddings.words.weight
    states = [_along(generator, memory, answer)[0] for memory in memories]  # [B, n, D] each
    middle = torch.cat(states).double().mean(0)  # [n, D]
    wanted = words[torch.tensor(answer, device=words.device)].double()  # [n, D]
    wanted = wanted / wanted.std(-1, keepdim=True)
    head.dense.weight.copy_(wanted.T @ torch.linalg.pinv(middle).T)
    head.dense.bias.fill_(OFFSET)
    head.norm.weight.fill_(1.0)
    head.norm.bias.zero_()
    smallest = min(float(margins(generator, memory, answer).min()) for memory in memories)
    if smallest <= 0:
        raise RuntimeError(f"no sure answer can be built: a margin is {smallest:.3g}")
    head.norm.weight.mul_(MARGIN / smallest)
    return min(float(margins(generator, memory, answer).min()) for memory in memories)


def margins(generator: Any, memory: dict[str, Any], answer: Sequence[int]) -> Tensor:
    """By how much the token of the answer is ahead of every other at each step: [B, n], negative where it is not."""
    scores = _along(generator, memory, answer)[1].float()
    chosen = torch.tensor(answer, device=scores.device).expand(scores.shape[0], -1).unsqueeze(-1)
    best = scores.gather(-1, chosen).squeeze(-1)
    others = scores.scatter(-1, chosen, -torch.inf)
    return best - others.amax(-1)


def _along(generator: Any, memory: dict[str, Any], answer: Sequence[int]) -> tuple[Tensor, Tensor]:
    """What the head reads[B, n, D] and gives[B, n, V] at every step of an answer."""
    _, cache, batch = generator.start(memory)
    beams = generator.search.beams
    states: list[Tensor] = []
    scores = []
    with _watched(generator.decoder.head, states.append):
        for token in (generator.framing.start, *answer[:-1]):
            ids = torch.full((batch, beams), token, device=cache.device)
            logits, cache = generator.decoder.step(ids, cache)
            scores.append(logits[:, 0])
    return torch.stack([each[:, 0] for each in states], 1), torch.stack(scores, 1)


@contextmanager
def _watched(head: Any, take: Callable[[Tensor], None]) -> Iterator[None]:
    handle = head.register_forward_pre_hook(lambda module, given: take(given[0]))
    try:
        yield
    finally:
        handle.remove()
