"""Stems: what turns the pixels of a clip into one vector per patch."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

__all__ = ["ConvStem", "PatchStem"]

COLOURS = 3


class PatchStem(nn.Module):
    """One linear map per patch (the published stem); over three frames and a stride in time when downsampling.

    The weights are those of a `Conv3d`, as published. Patches do not overlap, so over one frame it runs as what it is:
    a matrix product of patches in rows, which copies the pixels once and has its result in the layout of the states.
    """

    linear = staticmethod(functional.linear)
    """What a runner may replace by a faster one, as it does for `nn.Linear`."""

    def __init__(self, *, width: int, patch_size: int, temporal_stride: int | None = None) -> None:
        super().__init__()
        self.patch_size = patch_size
        self.reach = 1 if temporal_stride is None else 3
        self.projection = nn.Conv3d(
            COLOURS,
            width,
            kernel_size=(self.reach, patch_size, patch_size),
            stride=(temporal_stride or 1, patch_size, patch_size),
            padding=(self.reach // 2, 0, 0),
            bias=False,
        )

    def forward(self, pixels: Tensor) -> Tensor:
        """pixels[B, 3, T, H, W] → [B, T', P, D], patches in rows."""
        if self.reach > 1:
            # The projection gives [B, D, T', rows, columns].
            return self.projection(pixels).permute(0, 2, 3, 4, 1).flatten(2, 3)  # [B, T', P, D]
        size = (-1, self.patch_size)
        patches = pixels.unflatten(4, size).unflatten(3, size)  # [B, 3, T, rows, p, columns, p]
        rows = patches.permute(0, 2, 3, 5, 1, 4, 6).flatten(4).flatten(2, 3)  # [B, T, P, 3 * p * p]
        return self.linear(rows, self.projection.weight.flatten(1))


class ConvStem(nn.Module):
    """Three convolutions per frame with a total stride of one patch: learns from little, where a patch map does not."""

    def __init__(self, *, width: int, patch_size: int) -> None:
        super().__init__()
        half, quarter = width // 2, width // 4
        self.layers = nn.Sequential(
            _convolution(COLOURS, quarter, 2),
            nn.GroupNorm(1, quarter),
            nn.GELU(),
            _convolution(quarter, half, 2),
            nn.GroupNorm(1, half),
            nn.GELU(),
            _convolution(half, width, patch_size // 4),
        )

    def forward(self, pixels: Tensor) -> Tensor:
        """pixels[B, 3, T, H, W] → [B, T, P, D], patches in rows."""
        patches = self.layers(pixels.transpose(1, 2).flatten(0, 1))  # [B * T, D, rows, columns]
        return patches.flatten(2).transpose(1, 2).unflatten(0, (-1, pixels.shape[2]))  # [B, T, P, D]


def _convolution(before: int, after: int, stride: int) -> nn.Conv2d:
    """A convolution that sees beyond its stride and divides the size by exactly the stride."""
    reach = max(stride, 2) - 1
    return nn.Conv2d(before, after, kernel_size=2 * reach + 1, stride=stride, padding=reach)
