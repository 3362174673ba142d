"""The published training transforms of mPLUG-2 clips whose arithmetic matters, in torch.

Source: recorded as `train.*` in tests/golden/mplug2/aux. The crop box and the flip are drawn by the caller.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["crop_bicubic", "wrap_to_uint8"]


def crop_bicubic(frames: Tensor, box: tuple[int, int, int, int], size: int) -> Tensor:
    """Cut (top, left, height, width) out of frames[T, H, W, 3] and resize it → int64 [T, size, size, 3].

    Nothing clamps the result: bicubic overshoot leaves values below 0 and above 255, truncated towards zero.
    """
    top, left, height, width = box
    cut = frames[:, top : top + height, left : left + width].permute(0, 3, 1, 2).to(torch.float32)
    resized = functional.interpolate(cut, size=(size, size), mode="bicubic", align_corners=False)
    return resized.to(torch.int64).permute(0, 2, 3, 1)


def wrap_to_uint8(frames: Tensor) -> Tensor:
    """What the published augmentation makes of `crop_bicubic`'s result: modulo 256, so that 260 becomes 4."""
    return frames.remainder(256).to(torch.uint8)
