"""The spread of initial weights, for models of another width than those that published starts were made for."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

__all__ = ["spread_initial_weights"]


@torch.no_grad()
def spread_initial_weights(
    modules: Mapping[str, nn.Module], factor: float, wake: float = 0.0, *, below: float | None = None
) -> None:
    """Multiply the matrices of linear maps and embeddings by `factor`, in place: all, or those that deviate by less
    than `below`. Linear maps that start at zero are drawn with deviation `wake`.
    """
    for module in modules.values():
        for part in module.modules():
            if not isinstance(part, (nn.Linear, nn.Embedding)):
                continue
            if part.weight.any():
                if factor != 1.0 and (below is None or float(part.weight.std()) < below):
                    part.weight.mul_(factor)
            elif wake and isinstance(part, nn.Linear):
                nn.init.normal_(part.weight, std=wake)
