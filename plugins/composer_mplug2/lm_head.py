"""The heads that turn states into vocabulary scores: one with its own weight, one with the word embeddings'."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from composer.types import States
from composer_mplug2.bert import NORM_EPS, initialise
from composer_mplug2.configs import MaskedHeadConfig

__all__ = ["MaskedHead", "TiedHead", "build_masked_head"]


class TiedHead(nn.Module):
    """Dense, GELU, norm, then the word embeddings as output weight, which each call is given: it owns none."""

    linear = staticmethod(functional.linear)
    """What a runner may replace by a faster one, as it does for `nn.Linear`."""

    def __init__(self, *, width: int, vocabulary: int) -> None:
        super().__init__()
        self.dense = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width, eps=NORM_EPS)
        self.bias = nn.Parameter(torch.zeros(vocabulary))

    def forward(self, hidden: Tensor, words: Tensor) -> Tensor:
        """hidden[..., D], words[V, D] → [..., V]."""
        return self.linear(self.norm(functional.gelu(self.dense(hidden))), words, self.bias)


class MaskedHead(nn.Module):
    """states[B, L, D] → logits[B, L, V]: what word stood at a masked position."""

    def __init__(self, *, width: int, vocabulary: int) -> None:
        super().__init__()
        self.dense = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width, eps=NORM_EPS)
        self.words = nn.Linear(width, vocabulary)

    def forward(self, *, states: States) -> Tensor:
        return self.words(self.norm(functional.gelu(self.dense(states.values))))


def build_masked_head(config: MaskedHeadConfig) -> MaskedHead:
    head = MaskedHead(width=config.hidden, vocabulary=config.vocabulary)
    head.apply(initialise)
    return head
