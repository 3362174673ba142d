"""What objectives draw from: the run's own random numbers in training, else a seed, or the texts themselves."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from composer.plugin.masks import places_from_first
from composer.types import Tokens

__all__ = ["Seeded", "chances_of", "generator_of"]

PRIME = 2**31 - 1
"""Squares of what is smaller fit into 64 bits."""
ROUNDS = 3


class Seeded(Protocol):
    """A module with a seed."""

    training: bool
    seed: int


def generator_of(module: Seeded) -> torch.Generator:
    """A generator on the processor, where every device draws the same.

    Training goes on with torch's own, which the run seeds and saves; otherwise each call begins with the seed anew, so
    that losses of two validations can be compared.
    """
    if module.training:
        return torch.default_generator
    return torch.Generator().manual_seed(module.seed)


def chances_of(tokens: Tokens, seed: int, turn: int) -> Tensor:
    """A number from 0 to 1 for each of tokens[B, L], as if it were drawn; another one for each `seed` and `turn`.

    The text and the place in it decide, so that a score does not depend on the batch, its order or its padding.
    """
    place, visible = places_from_first(tokens.mask), (tokens.mask > 0).long()
    weight = (place + 1) * 48271 % PRIME
    text = ((tokens.ids + 1) * weight % PRIME * visible).sum(dim=1, keepdim=True) % PRIME
    found = (text + place * 69621 + turn * 16807) % PRIME
    for _ in range(ROUNDS):
        found = (found * found + seed % PRIME + 1) % PRIME
    return found.float() / PRIME
