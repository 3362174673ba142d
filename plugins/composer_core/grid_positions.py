"""Positions along several axes: what rotary positions of time, height and width are made of."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from composer.types import Tokens
from composer_core.configs import GridPositionsConfig

__all__ = ["GridPositions", "build_grid_positions"]


class GridPositions(nn.Module):
    """tokens[B, L] and places[B, L] of a medium in them → positions[B, A, L].

    A token of the text stands one behind what is before it, along every axis. The places of a medium begin there too,
    and each is as far along each axis as it lies in the grid; the text goes on behind the largest of the axes but the
    first, which is time. Padding is at 0. Source: Qwen2-VL (arXiv 2409.12191).
    """

    def __init__(self, grid: list[int]) -> None:
        super().__init__()
        self.grid = grid

    def forward(self, *, tokens: Tokens, places: Tensor) -> Tensor:
        shown = tokens.mask > 0  # [B, L]
        inside = (places >= 0) & shown
        place = places.clamp(min=0) % math.prod(self.grid)
        begins = inside & (place == 0)
        length = max(self.grid[1:])
        steps = (shown & ~inside).to(torch.int64) + begins.to(torch.int64) * length
        before = steps.cumsum(1) - steps
        start = before - (inside & ~begins).to(torch.int64) * length
        axes = [
            torch.where(inside, place // math.prod(self.grid[axis + 1 :]) % size, 0)
            for axis, size in enumerate(self.grid)
        ]
        found = (start.unsqueeze(1) + torch.stack(axes, 1)) * shown.unsqueeze(1)
        return found.to(torch.int64)


def build_grid_positions(config: GridPositionsConfig) -> GridPositions:
    return GridPositions(config.grid)
