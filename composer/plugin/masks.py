"""What masks say: what is visible, and where each sample begins, on whichever side its padding is."""

from __future__ import annotations

import torch
from torch import Tensor

from composer.types import States

__all__ = ["first_visible", "from_front", "hides_nothing", "mask_of", "places_from_first", "to_front"]


def mask_of(states: States) -> Tensor:
    """The mask[B, N] int64 of states[B, N, D], made of ones where there is none."""
    if states.mask is not None:
        mask: Tensor = states.mask
        return mask
    return torch.ones(states.values.shape[:2], dtype=torch.int64, device=states.values.device)


def hides_nothing(mask: Tensor | None) -> bool:
    """Whether a mask is known to hide nothing, so that what reads it may take a shorter way.

    It is looked at on the CPU alone, where that waits for nothing, and never while a graph is made: that serves others.
    """
    if mask is None:
        return True
    can_look = type(mask) is Tensor and mask.device.type == "cpu" and not torch.compiler.is_compiling()
    return can_look and bool((mask > 0).all())


def first_visible(mask: Tensor) -> Tensor:
    """mask[B, L] (1 = visible) → the first visible place of each sample, [B] int64; L where none is."""
    length = mask.shape[1]
    left = length - torch.arange(length, device=mask.device)  # largest at the first place
    return length - (left * (mask > 0)).amax(1)


def places_from_first(mask: Tensor) -> Tensor:
    """mask[B, L] → places counted from the first visible one of each sample, [B, L] int64; 0 before it."""
    places = torch.arange(mask.shape[1], device=mask.device)
    return (places - first_visible(mask).unsqueeze(1)).clamp(min=0)


def to_front(values: Tensor, mask: Tensor) -> Tensor:
    """values[B, L, ...] moved so that the first visible place of each sample is its first; what was before goes behind.

    So a model that counts from the first column reads texts with padding on either side. `from_front` undoes it.
    """
    return _turned(values, first_visible(mask))


def from_front(values: Tensor, mask: Tensor) -> Tensor:
    """What `to_front` moved, [B, L, ...], where it was; `mask[B, L]` is the one from before."""
    return _turned(values, -first_visible(mask))


def _turned(values: Tensor, by: Tensor) -> Tensor:
    batch, length = values.shape[:2]
    places = (torch.arange(length, device=values.device) + by.unsqueeze(1)) % length  # [B, L]
    return values[torch.arange(batch, device=values.device).unsqueeze(1), places]
