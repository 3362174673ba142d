"""Torch modules that join states: one after the other, one on the other, one many times."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from composer.plugin import NoConfig
from composer.plugin.masks import mask_of, places_from_first
from composer.types import States, Tokens
from composer_core.configs import PerSampleConfig

__all__ = [
    "Add",
    "Concat",
    "EmbeddingsPerSample",
    "Fill",
    "JoinTokens",
    "PerSample",
    "Repeat",
    "build_add",
    "build_concat",
    "build_fill",
    "build_join_tokens",
    "build_per_sample",
    "build_repeat",
]


class Concat(nn.Module):
    """Joins states[B, N, D] and states[B, M, D] into states[B, N + M, D].

    When neither has a mask the result has none; otherwise a missing mask counts as all ones.
    """

    def forward(self, *, first: States, second: States) -> States:
        values = torch.cat((first.values, second.values), dim=1)
        if first.mask is None and second.mask is None:
            return States(values, None)
        return States(values, torch.cat((mask_of(first), mask_of(second)), dim=1))


class Add(nn.Module):
    """Adds states[B, N, D] to states[B, N, D]; the result shows the positions that both show."""

    def forward(self, *, first: States, second: States) -> States:
        values = first.values + second.values
        if first.mask is None or second.mask is None:
            return States(values, second.mask if first.mask is None else first.mask)
        return States(values, first.mask * second.mask)


class JoinTokens(nn.Module):
    """Reads two texts as one: tokens[B, L] and tokens[B, M] → tokens[B, L + M], the second behind the end of the first.

    The second one's opening token is left out. `token_types`[B, L + M] are 0 in the first text and 1 in the second.
    """

    def forward(self, *, first: Tokens, second: Tokens) -> dict[str, Tokens | Tensor]:
        ids = torch.cat((first.ids, second.ids), dim=1)
        behind_opening = second.mask * (places_from_first(second.mask) > 0)
        mask = torch.cat((first.mask, behind_opening), dim=1)
        types = torch.cat((torch.zeros_like(first.ids), torch.ones_like(second.ids)), dim=1)
        # What is shown comes first, in its order: a stable sort of what is hidden behind it.
        order = (1 - mask).argsort(dim=1, stable=True)
        mask = mask.gather(1, order)
        tokens = Tokens(ids.gather(1, order) * mask, mask)
        return {"tokens": tokens, "token_types": types.gather(1, order) * mask}


class Repeat(nn.Module):
    """Repeats row i of states[B, N, D] counts[i] times, in order: states[R, N, D], R the sum of counts.

    `beside`[R, L], texts that the rows go with, only say how many rows there are: so several that are repeated can be
    told to have equally many.
    """

    def forward(self, *, states: States, counts: Tensor, beside: Tokens | None = None) -> States:
        values = torch.repeat_interleave(states.values, counts, dim=0)
        mask = None if states.mask is None else torch.repeat_interleave(states.mask, counts, dim=0)
        return States(values, mask)


class PerSample(nn.Module):
    """states[P, K, D] of all values and items[B, M] → states[B, M*K, D]: those of each sample's values, one by one.

    Where a sample has fewer than M values, the rest is zeros that the mask hides.
    """

    def forward(self, *, states: States, items: Tensor) -> States:
        places = items.clamp(0).clamp(max=states.values.shape[0] - 1)  # [B, M]
        there = (items >= 0)[..., None]  # [B, M, 1]
        values = torch.where(there[..., None], states.values[places], 0.0)  # [B, M, K, D]
        mask = mask_of(states)[places] * there  # [B, M, K]
        return States(values.flatten(1, 2), mask.flatten(1))


class Fill(nn.Module):
    """Puts media[P, N, D] into text[B, L, D] where places[B, L] name one of their P*N states and the text is visible.

    A filled position is visible where the state of the medium is. `filled[B, L]` is 1 at these positions.
    """

    def forward(self, *, text: States, media: States, places: Tensor) -> dict[str, Any]:
        there = (places >= 0) & (mask_of(text) > 0)  # [B, L]
        values, mask = media.values.flatten(0, 1), mask_of(media).flatten()  # [P*N, D], [P*N]
        rows = places.clamp(0).clamp(max=values.shape[0] - 1)
        filled = torch.where(there[..., None], values[rows].to(text.values.dtype), text.values)
        visible = torch.where(there, mask[rows], mask_of(text))
        return {"states": States(filled, visible), "filled": there.to(torch.int64)}


class EmbeddingsPerSample(nn.Module):
    """embedding[P, D] of all values and items[B, M] → states[B, M, D]: those of each sample's values."""

    def __init__(self) -> None:
        super().__init__()
        self.per_sample = PerSample()

    def forward(self, *, embedding: Tensor, items: Tensor) -> States:
        found: States = self.per_sample(states=States(embedding[:, None]), items=items)
        return found


def build_concat(config: NoConfig) -> Concat:
    return Concat()


def build_add(config: NoConfig) -> Add:
    return Add()


def build_join_tokens(config: NoConfig) -> JoinTokens:
    return JoinTokens()


def build_fill(config: NoConfig) -> Fill:
    return Fill()


def build_per_sample(config: PerSampleConfig) -> PerSample | EmbeddingsPerSample:
    return PerSample() if config.of == "states" else EmbeddingsPerSample()


def build_repeat(config: NoConfig) -> Repeat:
    return Repeat()
