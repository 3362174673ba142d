"""Additive attention masks with the constants of the published code."""

from __future__ import annotations

import torch
from torch import Tensor

from composer.plugin.masks import mask_of
from composer.types import States

__all__ = ["causal_mask", "cross_mask", "joined_mask", "self_mask"]

SELF_PENALTY = -10000.0
CROSS_PENALTY = -1e9
CROSS_PENALTY_FLOAT16 = -1e4  # -1e9 is not a float16


def self_mask(mask: Tensor | None, dtype: torch.dtype) -> Tensor | None:
    """mask[B, L] (1 = visible) → what is added to the scores of self-attention, [B, 1, 1, L]."""
    return None if mask is None else _added(mask[:, None, None, :], dtype, SELF_PENALTY)


def cross_mask(mask: Tensor | None, dtype: torch.dtype) -> Tensor | None:
    """mask[B, N] (1 = visible) → what is added to the scores of cross-attention, [B, 1, 1, N]."""
    penalty = CROSS_PENALTY_FLOAT16 if dtype == torch.float16 else CROSS_PENALTY
    return None if mask is None else _added(mask[:, None, None, :], dtype, penalty)


def causal_mask(mask: Tensor | None, dtype: torch.dtype) -> Tensor | None:
    """mask[B, L] → visible and not later, [B, 1, L, L]; None stays None, and the kernel's own causal mode applies."""
    if mask is None:
        return None
    length = mask.shape[1]
    earlier = torch.ones(length, length, dtype=mask.dtype, device=mask.device).tril()
    return _added(mask[:, None, None, :] * earlier, dtype, SELF_PENALTY)


def joined_mask(first: States, second: States) -> Tensor | None:
    """The mask[B, N + M] of two sequences of states put one after the other; None where all is visible."""
    if first.mask is None and second.mask is None:
        return None
    return torch.cat((mask_of(first), mask_of(second)), dim=1)


def _added(visible: Tensor, dtype: torch.dtype, penalty: float) -> Tensor:
    return (1.0 - visible.to(dtype)) * penalty
