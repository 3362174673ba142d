"""What becomes of tensors of timm's checkpoints in a module of another size or with other colours."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["fit_channels", "resize_positions"]

MOST_PREFIX = 16


def resize_positions(tensor: Tensor, target: tuple[int, ...]) -> Tensor:
    """positions[1, P + h*h, D] → [1, P + g*g, D]: the grid is resampled as timm does, tokens before it are kept."""
    if tuple(tensor.shape) == target or tensor.dim() != 3 or len(target) != 3:
        return tensor
    for prefix in range(min(MOST_PREFIX, tensor.shape[1], target[1])):
        old, new = _side(tensor.shape[1] - prefix), _side(target[1] - prefix)
        if old and new:
            kept, grid = tensor[:, :prefix], tensor[:, prefix:]
            square = grid.float().reshape(1, old, old, -1).permute(0, 3, 1, 2)
            resized = torch.nn.functional.interpolate(
                square, size=(new, new), mode="bicubic", antialias=True, align_corners=False
            )
            flat = resized.permute(0, 2, 3, 1).reshape(1, new * new, -1).to(tensor.dtype)
            return torch.cat([kept, flat], dim=1)
    return tensor


def _side(number: int) -> int:
    """The side of a square of so many places; 0 where it is none."""
    side = int(number**0.5)
    return side if side * side == number else 0


def fit_channels(tensor: Tensor, target: tuple[int, ...]) -> Tensor:
    """A first layer for three colours → one for others: a single channel gets the sum, more repeat and are scaled."""
    if tensor.dim() != 4 or len(target) != 4 or tensor.shape[1] != 3 or target[1] == 3:
        return tensor
    channels = target[1]
    if channels == 1:
        return tensor.sum(dim=1, keepdim=True)
    repeated = tensor.repeat(1, -(-channels // 3), 1, 1)[:, :channels]
    return repeated * (3 / channels)
