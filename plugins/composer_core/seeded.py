"""What objectives draw from: the run's own random numbers in training, a seed of their own outside of it."""

from __future__ import annotations

from typing import Protocol

import torch

__all__ = ["Seeded", "generator_of"]


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
