"""What a tensor of a checkpoint must be to become a weight: a dense tensor of the right sort, with finite values."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

__all__ = ["check_values", "describe_dtype", "dtype_name", "fits"]

_PIECE = 1 << 24  # elements looked at together, so that checking a large tensor needs no second one


def fits(tensor: Tensor, expected: Tensor) -> bool:
    """Floating-point formats convert into each other; anything else must be the same."""
    if tensor.layout is not torch.strided or tensor.is_quantized or tensor.is_meta or tensor.is_nested:
        return False
    return tensor.dtype == expected.dtype or (tensor.is_floating_point() and expected.is_floating_point())


def dtype_name(tensor: Tensor) -> str:
    """`float32`."""
    return str(tensor.dtype).removeprefix("torch.")


def describe_dtype(tensor: Tensor) -> str:
    name = dtype_name(tensor)
    if tensor.is_nested:
        return f"{name} (nested)"
    if tensor.is_meta:
        return f"{name} without values"
    return name if tensor.layout is torch.strided else f"{name} ({str(tensor.layout).removeprefix('torch.')})"


def check_values(tensor: Tensor, *, may_be_infinite: bool) -> Literal["NaN", "infinite"] | None:
    """The worst that the tensor holds. Buffers may be infinite: masks are."""
    if not tensor.is_floating_point() or tensor.numel() == 0:
        return None
    found: Literal["infinite"] | None = None
    for piece in torch.split(tensor.reshape(-1), _PIECE):
        # The sums of extremes decide without a tensor of booleans: NaN spreads into both, infinity into one.
        lowest, highest = torch.aminmax(piece if piece.element_size() > 1 else piece.to(torch.float32))
        if lowest.isnan() or highest.isnan():
            return "NaN"
        if not may_be_infinite and (lowest.isinf() or highest.isinf()):
            found = "infinite"
    return found
