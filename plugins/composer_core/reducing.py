"""Torch modules that reduce states to one embedding per sample, and compare embeddings."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from composer.plugin import NoConfig
from composer.plugin.masks import first_visible
from composer.types import States
from composer_core.configs import PoolConfig, SelectConfig, SimilarityConfig

__all__ = [
    "MaxPool",
    "MeanPool",
    "Normalise",
    "Select",
    "Similarity",
    "build_normalise",
    "build_pool",
    "build_select",
    "build_similarity",
]


class Select(nn.Module):
    """Takes the state at one position, counted from the first visible one: states[B, N, D] → embedding[B, D]."""

    def __init__(self, *, position: int) -> None:
        super().__init__()
        self.position = position

    def forward(self, *, states: States) -> Tensor:
        if states.mask is None:
            return states.values[:, self.position]
        places = (first_visible(states.mask) + self.position).clamp(max=states.values.shape[1] - 1)
        return states.values[torch.arange(places.shape[0], device=places.device), places]


class MeanPool(nn.Module):
    """Averages the visible states: states[B, N, D] → embedding[B, D]; zeros for a sample that shows none."""

    def forward(self, *, states: States) -> Tensor:
        if states.mask is None:
            return states.values.mean(dim=1)
        visible = states.mask.unsqueeze(-1).to(states.values.dtype)
        # A hidden state may be anything, NaN included, so it is replaced and not multiplied by zero.
        values = torch.where(visible > 0, states.values, 0.0)
        return values.sum(dim=1) / visible.sum(dim=1).clamp(min=1.0)


class MaxPool(nn.Module):
    """Takes the largest visible value per channel: states[B, N, D] → embedding[B, D]; zeros if none is."""

    def forward(self, *, states: States) -> Tensor:
        if states.mask is None:
            return states.values.amax(dim=1)
        hidden = states.mask.unsqueeze(-1) == 0
        largest = states.values.masked_fill(hidden, float("-inf")).amax(dim=1)
        return largest.masked_fill(hidden.all(dim=1), 0.0)


class Normalise(nn.Module):
    """Scales each embedding[B, D] to Euclidean length one; a zero vector stays zero."""

    def forward(self, *, embedding: Tensor) -> Tensor:
        return functional.normalize(embedding, dim=-1)


class Similarity(nn.Module):
    """Dot products of queries[B, D] with candidates[K, D], times `scale` → scores[B, K]."""

    def __init__(self, *, scale: float) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, *, queries: Tensor, candidates: Tensor) -> Tensor:
        return queries @ candidates.T * self.scale


def build_select(config: SelectConfig) -> Select:
    return Select(position=config.position)


def build_pool(config: PoolConfig) -> MeanPool | MaxPool:
    return MeanPool() if config.how == "mean" else MaxPool()


def build_normalise(config: NoConfig) -> Normalise:
    return Normalise()


def build_similarity(config: SimilarityConfig) -> Similarity:
    return Similarity(scale=config.scale)
