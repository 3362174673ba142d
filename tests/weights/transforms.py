"""Transforms that the test layouts name by reference."""

from __future__ import annotations

from torch import Tensor


def transpose(tensor: Tensor, target_shape: tuple[int, ...]) -> Tensor:
    result = tensor.T
    assert result.shape == target_shape
    return result


def fail(tensor: Tensor, target_shape: tuple[int, ...]) -> Tensor:
    raise ValueError("no grid")
