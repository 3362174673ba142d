"""One block of the vision encoder: spatial attention and feed-forward, each after a look at the neighbouring frames."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from composer_mplug2.local_temporal import LocalTemporal, quick_gelu

__all__ = ["VisionAttention", "VisionBlock", "VisionFeedForward"]


class VisionAttention(nn.Module):
    """Self-attention with one packed projection; no mask, no dropout."""

    def __init__(self, *, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.output = nn.Linear(width, width)

    def forward(self, hidden: Tensor) -> Tensor:
        """hidden[R, N, D] → [R, N, D]."""
        packed = self.qkv(hidden).unflatten(-1, (3, self.heads, -1))  # [R, N, 3, heads, d]
        query, key, value = packed.permute(2, 0, 3, 1, 4).unbind(0)  # each [R, heads, N, d]
        attended = functional.scaled_dot_product_attention(query, key, value)
        return self.output(attended.transpose(1, 2).flatten(2))  # [R, heads, N, d] → [R, N, D]


class VisionFeedForward(nn.Module):
    """D → ratio * D → D with QuickGELU."""

    def __init__(self, *, width: int, ratio: int) -> None:
        super().__init__()
        self.expand = nn.Linear(width, ratio * width)
        self.contract = nn.Linear(ratio * width, width)

    def forward(self, hidden: Tensor) -> Tensor:
        return self.contract(quick_gelu(self.expand(hidden)))


class VisionBlock(nn.Module):
    """Local temporal module, attention within a frame, local temporal module, feed-forward; each added to its input."""

    def __init__(self, *, width: int, heads: int, mlp_ratio: int, local_temporal: bool) -> None:
        super().__init__()
        if local_temporal:
            self.temporal_before_attention = LocalTemporal(width=width)
            self.temporal_before_feed_forward = LocalTemporal(width=width)
        self.local_temporal = local_temporal
        self.attention_norm = nn.LayerNorm(width)
        self.attention = VisionAttention(width=width, heads=heads)
        self.feed_forward_norm = nn.LayerNorm(width)
        self.feed_forward = VisionFeedForward(width=width, ratio=mlp_ratio)

    def forward(self, hidden: Tensor, *, frames: int, is_patch: Tensor) -> Tensor:
        """hidden[B * frames, 1 + P, D] → same shape; is_patch[1 + P, 1] is 0 for class tokens, which time passes by."""
        if self.local_temporal:
            hidden = torch.addcmul(hidden, self.temporal_before_attention(hidden, frames=frames), is_patch)
        hidden = hidden + self.attention(self.attention_norm(hidden))
        if self.local_temporal:
            hidden = torch.addcmul(hidden, self.temporal_before_feed_forward(hidden, frames=frames), is_patch)
        return hidden + self.feed_forward(self.feed_forward_norm(hidden))

    def initialise(self, *, width: int, residual_std: float) -> None:
        """CLIP's start: the deeper the encoder, the smaller what each block adds (`residual_std`)."""
        nn.init.normal_(self.attention.qkv.weight, std=width**-0.5)
        nn.init.zeros_(self.attention.qkv.bias)
        nn.init.normal_(self.attention.output.weight, std=residual_std)
        nn.init.zeros_(self.attention.output.bias)
        nn.init.normal_(self.feed_forward.expand.weight, std=(2 * width) ** -0.5)
        nn.init.normal_(self.feed_forward.contract.weight, std=residual_std)
