"""Diverse beam search (Vijayakumar et al. 2018) of one sample, text by text: what `core.beam` with groups is held to.

The transformers library has moved its own out of its package, so that nothing there can be asked.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

__all__ = ["diverse_beams"]

Text = tuple[tuple[int, ...], float]
"""Ids with the start token, and a score."""


def diverse_beams(
    logs: Callable[[Sequence[int]], Sequence[float]],
    *,
    start: int,
    ends: Collection[int],
    beams: int,
    groups: int,
    diversity: float,
    most: int,
    length_penalty: float = 0.0,
) -> list[Text]:
    """The best texts. `logs(ids)` are the log-probabilities of the token after ids, which begin with the start."""
    size = beams // groups
    open_texts: list[list[Text]] = [[((start,), 0.0)] for _ in range(groups)]
    finished: list[list[Text]] = [[] for _ in range(groups)]
    over = [False] * groups
    length = 0
    while length < most and not all(over):
        length += 1
        taken: dict[int, int] = {}
        for group in range(groups):
            candidates = [
                ((*ids, token), score + log - diversity * taken.get(token, 0))
                for ids, score in open_texts[group]
                for token, log in enumerate(logs(ids))
            ]
            candidates.sort(key=lambda text: -text[1])
            if not over[group]:
                finished[group] += [
                    (ids, score / length**length_penalty)
                    for ids, score in candidates[:size]
                    if ids[-1] in ends
                ]
            open_texts[group] = [text for text in candidates if text[0][-1] not in ends][:size]
            for ids, _ in open_texts[group]:
                taken[ids[-1]] = taken.get(ids[-1], 0) + 1
            best = sorted((score for _, score in finished[group]), reverse=True)[:size]
            hope = open_texts[group][0][1] / length**length_penalty
            over[group] |= len(best) == size and best[-1] >= hope
    texts = [text for group in finished for text in group]
    if not all(over):
        texts += [(ids, score / length**length_penalty) for group in open_texts for ids, score in group]
    return sorted(texts, key=lambda text: -text[1])[:beams]
