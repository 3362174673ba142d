"""The torch part of the vision modalities: uint8 frames to normalised pixels, inside the program."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from composer_vision.configs import ImageConfig, VideoConfig

__all__ = ["Prepare", "build_prepare"]


class Prepare(nn.Module):
    """frames[B, T, H, W, 3] uint8 → pixels[B, 3, T, H, W]: (colour / 255 - mean) / std.

    The arithmetic is float32 on every device; the result has the dtype that the module was moved to.
    """

    anchor: Tensor

    def __init__(self, *, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.mean = tuple(mean)
        self.std = tuple(std)
        # An empty buffer follows `.to(dtype)`; numbers kept in buffers would lose digits there.
        self.register_buffer("anchor", torch.zeros(0), persistent=False)

    def forward(self, *, frames: Tensor) -> Tensor:
        scaled = frames.to(torch.float32) / 255
        colours = [(scaled[..., i] - self.mean[i]) / self.std[i] for i in range(3)]
        return torch.stack(colours, dim=1).to(self.anchor.dtype)


def build_prepare(config: ImageConfig | VideoConfig) -> Prepare:
    return Prepare(mean=config.mean, std=config.std)
