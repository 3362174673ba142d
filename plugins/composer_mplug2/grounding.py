"""Boxes as tokens: writing them, the loss of telling them, and telling them greedily, as published for mPLUG."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from composer.types import States, Tokens
from composer_mplug2.configs import BoxTokensConfig, GroundingLossConfig
from composer_mplug2.masks import cross_mask

if TYPE_CHECKING:
    from composer_mplug2.text_decoder import TextDecoder

__all__ = ["BoxTokens", "GroundingLoss", "build_box_tokens", "build_grounding_loss", "ground"]

OUTSIDE = -10000.0
"""Added to the scores of tokens that are no coordinates."""
LARGEST_WEIGHT = 5.0


class BoxTokens(nn.Module):
    """boxes[B, 4], (x, y, width, height) as parts of the picture → tokens[B, 5]: the prefix and four coordinates."""

    def __init__(self, config: BoxTokensConfig) -> None:
        super().__init__()
        self.config = config

    def forward(self, *, boxes: Tensor) -> Tokens:
        places = (boxes.float().clamp(0, 1) * self.config.steps).floor().long() + self.config.first
        ids = torch.cat((torch.full_like(places[:, :1], self.config.prefix), places), dim=1)
        return Tokens(ids, torch.ones_like(ids))


class GroundingLoss(nn.Module):
    """The loss of telling boxes: logits[B, 5, V] of their tokens, and boxes[B, 4] → scalar.

    Each coordinate's cross entropy, weighted by how far off the likeliest box is: the distance of the coordinate, and
    one minus the generalised overlap of the boxes.
    """

    def __init__(self, config: GroundingLossConfig) -> None:
        super().__init__()
        self.config = config
        self.tokens = BoxTokens(config)

    def forward(self, *, logits: Tensor, boxes: Tensor) -> Tensor:
        config, boxes = self.config, boxes.float()
        scores = among_coordinates(logits[:, :-1].float(), config)
        labels = self.tokens(boxes=boxes).ids[:, 1:]
        losses = functional.cross_entropy(scores.transpose(1, 2), labels, reduction="none")  # [B, 4]
        with torch.no_grad():
            told = (scores.argmax(dim=-1) - config.first) / config.steps
            weights = (told - boxes).abs().clamp(max=LARGEST_WEIGHT)
            weights = weights * (1 - generalised_overlap(_corners(told), _corners(boxes))).unsqueeze(1)
        if config.weighting == "published":
            losses = losses.unsqueeze(1)  # [B, 1, 4] against [B, 4]: every loss with every weight
        return (losses * weights).mean()


@torch.no_grad()
def ground(decoder: TextDecoder, memory: States, config: BoxTokensConfig) -> Tensor:
    """The likeliest coordinate four times, one after the other: memory[B, N, D] → boxes[B, 4]."""
    projected, memory_mask = decoder.project(memory.values), cross_mask(memory.mask, memory.values.dtype)
    ids = torch.full((memory.values.shape[0], 1), config.prefix, device=memory.values.device)
    for _ in range(4):
        scores = among_coordinates(decoder.decode(Tokens(ids, None), projected, memory_mask)[:, -1], config)
        ids = torch.cat((ids, scores.argmax(dim=-1, keepdim=True)), dim=1)
    return ((ids[:, 1:] - config.first) / config.steps).to(memory.values.dtype)


def among_coordinates(scores: Tensor, config: BoxTokensConfig) -> Tensor:
    """Scores [..., V] with those of all other tokens far below."""
    place = torch.arange(scores.shape[-1], device=scores.device)
    return scores + torch.where((place >= config.first) & (place < config.end), 0.0, OUTSIDE).to(scores.dtype)


def generalised_overlap(one: Tensor, other: Tensor) -> Tensor:
    """Generalised IoU of corners[B, 4] pair by pair, [B]. Source: arXiv 1902.09630."""
    least, most = torch.minimum(one, other), torch.maximum(one, other)
    common = (least[:, 2:] - most[:, :2]).clamp(min=0).prod(dim=1)
    together = _area(one) + _area(other) - common
    around = (most[:, 2:] - least[:, :2]).clamp(min=0).prod(dim=1)
    tiny = torch.finfo(one.dtype).eps
    return common / together.clamp(min=tiny) - (around - together) / around.clamp(min=tiny)


def _area(corners: Tensor) -> Tensor:
    return (corners[:, 2:] - corners[:, :2]).prod(dim=1)


def _corners(boxes: Tensor) -> Tensor:
    """(x, y, width, height) → (left, top, right, bottom)."""
    return torch.cat((boxes[:, :2], boxes[:, :2] + boxes[:, 2:]), dim=1)


def build_box_tokens(config: BoxTokensConfig) -> BoxTokens:
    return BoxTokens(config)


def build_grounding_loss(config: GroundingLossConfig) -> GroundingLoss:
    return GroundingLoss(config)
