"""The spread of initial weights, for models far narrower than those that published starts were made for."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

__all__ = ["spread_initial_weights"]

NARROW_STD = 0.025
"""Weights drawn with at most this deviation follow BERT's start (0.02); wider starts are the module's own choice."""


@torch.no_grad()
def spread_initial_weights(modules: Mapping[str, nn.Module], factor: float, wake: float = 0.0) -> None:
    """Multiply the matrices of linear maps and embeddings that start with BERT's 0.02 by `factor`, in place.

    Linear maps that start at zero are drawn with deviation `wake`.
    """
    for module in modules.values():
        for part in module.modules():
            if not isinstance(part, (nn.Linear, nn.Embedding)):
                continue
            if 0 < float(part.weight.std()) < NARROW_STD:
                part.weight.mul_(factor)
            elif wake and isinstance(part, nn.Linear) and not part.weight.any():
                nn.init.normal_(part.weight, std=wake)
