"""The local temporal module: a small convolution over time for every patch of a clip."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["LocalTemporal", "quick_gelu"]

TAPS = 3


def quick_gelu(hidden: Tensor) -> Tensor:
    """CLIP's approximation of GELU: x * sigmoid(1.702 x)."""
    return hidden * torch.sigmoid(1.702 * hidden)


class LocalTemporal(nn.Module):
    """Norm, D → D/2, three depth-wise taps over time (zeros beyond both ends), QuickGELU, D/2 → D.

    Channels stay last and the taps are three multiply-adds, which is faster than a depth-wise `Conv3d` of the same
    numbers. `contract` starts at zero, so that the module starts as no change.
    """

    def __init__(self, *, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.reduce = nn.Linear(width, width // 2)
        self.taps = nn.Parameter(torch.empty(width // 2, TAPS))
        self.taps_bias = nn.Parameter(torch.zeros(width // 2))
        self.restore = nn.Linear(width // 2, width)
        nn.init.uniform_(self.taps, -(TAPS**-0.5), TAPS**-0.5)
        nn.init.zeros_(self.restore.weight)
        nn.init.zeros_(self.restore.bias)

    def forward(self, hidden: Tensor, *, frames: int) -> Tensor:
        """hidden[B * frames, N, D] → what is to be added to it, same shape; tokens at one N and different times mix."""
        reduced = self.reduce(self.norm(hidden))
        return self.restore(quick_gelu(self._convolve(reduced, frames)))

    def _convolve(self, hidden: Tensor, frames: int) -> Tensor:
        before, now, after = self.taps.t().contiguous().unbind(0)
        mixed = torch.addcmul(self.taps_bias, hidden, now)
        if frames == 1:  # a picture has no neighbours: only the middle tap matters
            return mixed
        clips, sums = hidden.unflatten(0, (-1, frames)), mixed.unflatten(0, (-1, frames))  # [B, frames, N, d]
        if torch.is_grad_enabled() or torch.compiler.is_compiling():
            clips = functional.pad(clips, (0, 0, 0, 0, 1, 1))  # [B, 1 + frames + 1, N, d]
            sums = torch.addcmul(sums, clips[:, :-2], before)
            return torch.addcmul(sums, clips[:, 2:], after).flatten(0, 1)  # [B * frames, N, d]
        # The same sums in place, and nothing is copied to be padded: half of the time. Gradients of views that change
        # take longer, and TensorRT has no converter for them.
        sums[:, 1:].addcmul_(clips[:, :-1], before)
        sums[:, :-1].addcmul_(clips[:, 1:], after)
        return mixed
