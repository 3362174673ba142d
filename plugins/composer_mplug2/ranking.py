"""Ranking of given answers by a decoder, as published."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from composer.plugin.masks import first_visible
from composer.problems import InputError
from composer.types import States, Tokens
from composer_mplug2.attention import KeyValues
from composer_mplug2.masks import cross_mask

if TYPE_CHECKING:
    from composer_mplug2.text_decoder import TextDecoder

__all__ = ["rank_candidates"]


def rank_candidates(
    decoder: TextDecoder, memory: States, candidates: Tokens, *, top: int
) -> dict[str, Tensor]:
    """Rank candidates[K, L] for each sample of memory[B, N, D].

    The `top` candidates with the likeliest first token are scored in full: log p(first token) plus the log-likelihood
    of the whole text, in which the first token counts a second time, as published. Softmax over the `top`.

    Raises:
        InputError: there are fewer than `top` candidates.
    """
    if candidates.ids.shape[0] < top:
        raise InputError(
            f"ranking keeps the best {top} answers and was given {candidates.ids.shape[0]}; give more, or lower `top`"
        )
    projected = decoder.project(memory.values)
    memory_mask = cross_mask(memory.mask, memory.values.dtype)
    chosen, first = _likeliest_starts(decoder, projected, memory_mask, candidates, top)
    tokens = Tokens(
        candidates.ids[chosen].flatten(0, 1), candidates.mask[chosen].flatten(0, 1)
    )  # [B * top, L]
    logits = decoder.decode(tokens, projected, memory_mask, rows=top)
    loss = functional.cross_entropy(logits.transpose(1, 2), _next_tokens(tokens), reduction="none").sum(dim=1)
    probabilities, order = (first - loss.view_as(first)).softmax(dim=-1).sort(dim=-1, descending=True)
    return {"ids": chosen.gather(1, order), "probabilities": probabilities}


def _likeliest_starts(
    decoder: TextDecoder,
    projected: tuple[KeyValues, ...],
    memory_mask: Tensor | None,
    candidates: Tokens,
    top: int,
) -> tuple[Tensor, Tensor]:
    """The candidates whose first token is likeliest after the start token, [B, top], and its log-probability."""
    batch = projected[0].keys.shape[0]
    opening = candidates.ids.new_full((batch, 1), decoder.start_id)
    logits = decoder.decode(Tokens(opening, None), projected, memory_mask)[:, 0]
    second = first_visible(candidates.mask).unsqueeze(1) + 1
    starts = logits.softmax(dim=-1).index_select(1, candidates.ids.gather(1, second)[:, 0])
    probabilities, chosen = torch.topk(starts, top, dim=1)
    return chosen, probabilities.log()


def _next_tokens(tokens: Tokens) -> Tensor:
    """What each position is to predict, [R, L]: the token after it, -100 at padding and at the end.

    All L positions stay, where a slice of L - 1 would keep an exported program from texts of two tokens.
    """
    length = tokens.ids.shape[1]
    has_next = torch.arange(length, device=tokens.ids.device) < length - 1
    is_scored = tokens.mask * tokens.mask.roll(-1, dims=1) * has_next
    return tokens.ids.roll(-1, dims=1).masked_fill(is_scored == 0, -100)
