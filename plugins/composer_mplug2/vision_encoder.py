"""The vision encoder: a vision transformer over each frame whose patches also look at the frames beside theirs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn

from composer.types import States
from composer_mplug2.configs import VisionConfig
from composer_mplug2.stems import ConvStem, PatchStem
from composer_mplug2.vision_block import VisionBlock

__all__ = ["VisionEncoder", "build_vision_encoder"]


class VisionEncoder(nn.Module):
    """pixels[B, 3, T, H, W] → states[B, 1 + T' * P, D]: one class token, the mean over the frames, then all patches.

    There is no position in time: only the local temporal modules tell frames apart. Source: mPLUG-2 (arXiv 2302.00402).
    """

    def __init__(self, *, stem: nn.Module, layers: Sequence[VisionBlock], width: int, patches: int) -> None:
        super().__init__()
        self.stem = stem
        self.class_embedding = nn.Parameter(torch.empty(width))
        self.positions = nn.Parameter(torch.empty(1 + patches, width))
        self.norm_before = nn.LayerNorm(width)
        self.layers = nn.ModuleList(layers)
        self.norm_after = nn.LayerNorm(width)
        self._initialise(width, layers)

    def forward(self, *, pixels: Tensor) -> States:
        patches = self.stem(pixels)  # [B, T', P, D]
        batch, frames = patches.shape[:2]
        patches = patches.flatten(0, 1)  # [B * T', P, D]
        class_tokens = self.class_embedding.expand(patches.shape[0], 1, -1)
        hidden = self.norm_before(
            torch.cat((class_tokens, patches), dim=1) + self.positions
        )  # [B * T', 1 + P, D]
        is_patch = (
            (torch.arange(hidden.shape[1], device=hidden.device) > 0).to(hidden.dtype).unsqueeze(1)
        )  # [1 + P, 1]
        for layer in self.layers:
            hidden = layer(hidden, frames=frames, is_patch=is_patch)
        hidden = hidden.unflatten(0, (batch, frames))  # [B, T', 1 + P, D]
        summary = hidden[:, :, 0].mean(dim=1, keepdim=True)  # before the norm, as published
        joined = torch.cat((summary, hidden[:, :, 1:].flatten(1, 2)), dim=1)  # [B, 1 + T' * P, D]
        return States(self.norm_after(joined))

    def _initialise(self, width: int, layers: Sequence[VisionBlock]) -> None:
        """CLIP's start; the published positions start at zero and wait for a checkpoint, these can be trained."""
        nn.init.normal_(self.class_embedding, std=width**-0.5)
        nn.init.normal_(self.positions, std=width**-0.5)
        for layer in layers:
            layer.initialise(width=width, residual_std=(2 * width * len(layers)) ** -0.5)


def build_vision_encoder(config: VisionConfig) -> VisionEncoder:
    if config.stem == "conv":
        stem: nn.Module = ConvStem(width=config.width, patch_size=config.patch_size)
    else:
        stride = config.temporal_stride if config.temporal_downsampling else None
        stem = PatchStem(width=config.width, patch_size=config.patch_size, temporal_stride=stride)
    block = partial(
        VisionBlock,
        width=config.width,
        heads=config.num_heads,
        mlp_ratio=config.mlp_ratio,
        local_temporal=config.local_temporal,
    )
    layers = [block() for _ in range(config.layers)]
    return VisionEncoder(stem=stem, layers=layers, width=config.width, patches=config.num_patches)
