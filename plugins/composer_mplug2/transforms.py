"""Tensor transforms of the `mplug2` layout: `(tensor, target_shape) -> tensor`."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from composer.problems import InputError

__all__ = ["inflate_time", "log_of_inverse", "reshape", "resize_positions"]


def resize_positions(tensor: Tensor, target_shape: Sequence[int]) -> Tensor:
    """Position embeddings [1 + n, D] of a square grid → [1 + n', D]: the class token kept, the grid resized bilinearly.

    Raises:
        InputError: a grid is not square, or the width differs.
    """
    old, new = _side(tensor.shape), _side(target_shape)
    if old is None or new is None or tensor.shape[1] != target_shape[1]:
        raise InputError(
            f"position embeddings {list(tensor.shape)} cannot be resized to {list(target_shape)}: both need one class "
            "token, a square grid and the same width"
        )
    class_token, grid = tensor[:1], tensor[1:].float()
    image = grid.reshape(1, old, old, -1).permute(0, 3, 1, 2)
    resized = functional.interpolate(image, size=(new, new), mode="bilinear", align_corners=False)
    return torch.cat((class_token, resized.permute(0, 2, 3, 1).flatten(0, 2).to(tensor.dtype)))


def inflate_time(tensor: Tensor, target_shape: Sequence[int]) -> Tensor:
    """A picture model's patch weight [D, 3, p, p] → [D, 3, k, p, p]: the middle frame holds it, the others are zero.

    A weight that has the time axis already stays as it is.
    """
    if tensor.dim() == len(target_shape):
        return tensor
    inflated = tensor.new_zeros(tuple(target_shape))
    inflated[:, :, target_shape[2] // 2] = tensor
    return inflated


def log_of_inverse(tensor: Tensor, target_shape: Sequence[int]) -> Tensor:
    """A temperature → the logarithm of its inverse, which is what is learned here.

    Raises:
        InputError: the temperature is not above zero.
    """
    if bool((tensor <= 0).any()):
        raise InputError(f"a temperature is above zero, and this one is {tensor.flatten()[0].item():g}")
    return -tensor.log()


def reshape(tensor: Tensor, target_shape: Sequence[int]) -> Tensor:
    """The same tensor with axes of size one added or removed: a 1 x 1 x 1 convolution as a linear map, and the like.

    Raises:
        InputError: the shapes differ in more than such axes.
    """
    if [size for size in tensor.shape if size != 1] != [size for size in target_shape if size != 1]:
        raise InputError(f"a tensor {list(tensor.shape)} is not {list(target_shape)} up to axes of size one")
    return tensor.reshape(tuple(target_shape))


def _side(shape: Sequence[int]) -> int | None:
    """Side of the square grid behind [1 + n, D]; None where there is none."""
    if len(shape) != 2 or shape[0] < 2:
        return None
    side = round((shape[0] - 1) ** 0.5)
    return side if side * side == shape[0] - 1 else None
