"""Torch modules for the losses that belong to no model."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from composer.plugin import NoConfig
from composer.plugin.masks import places_from_first
from composer.types import Tokens
from composer_core.configs import TokenLossConfig
from composer_core.objective_configs import NumberLossConfig

__all__ = [
    "ClassLoss",
    "Number",
    "NumberLoss",
    "SumLosses",
    "TextLoss",
    "TokenLoss",
    "build_class_loss",
    "build_number",
    "build_number_loss",
    "build_sum_losses",
    "build_text_loss",
    "build_token_loss",
]

IGNORED = -100


class ClassLoss(nn.Module):
    """Cross entropy of scores[B, K] against classes[B], averaged over classes other than -100 → scalar.

    Zero when no class counts.
    """

    def forward(self, *, scores: Tensor, classes: Tensor) -> Tensor:
        total = functional.cross_entropy(scores, classes, ignore_index=IGNORED, reduction="sum")
        return total / (classes != IGNORED).sum().clamp(min=1)


class Number(nn.Module):
    """scores[B, 1] → numbers[B]."""

    def forward(self, *, scores: Tensor) -> Tensor:
        return scores.squeeze(1)


class NumberLoss(nn.Module):
    """Mean squared or absolute difference of numbers[B] and targets[B] → scalar."""

    def __init__(self, *, squares: bool) -> None:
        super().__init__()
        self.squares = squares

    def forward(self, *, numbers: Tensor, targets: Tensor) -> Tensor:
        targets = targets.to(numbers.dtype)
        if self.squares:
            return functional.mse_loss(numbers, targets)
        return functional.l1_loss(numbers, targets)


class SumLosses(nn.Module):
    """The sum of several losses → scalar."""

    def forward(self, *, losses: Sequence[Tensor]) -> Tensor:
        return torch.stack([loss.reshape(()) for loss in losses]).sum()


class TokenLoss(nn.Module):
    """Cross entropy of logits[B, L, V] against labels[B, L], averaged over labels other than -100 → scalar.

    With `shift`, logits 0..L-2 are scored against labels 1..L-1. Zero when no label counts.
    """

    def __init__(self, *, shift: bool) -> None:
        super().__init__()
        self.shift = shift

    def forward(self, *, logits: Tensor, labels: Tensor) -> Tensor:
        if self.shift:
            logits, labels = logits[:, :-1], labels[:, 1:]
        total = functional.cross_entropy(
            logits.flatten(0, 1), labels.flatten(), ignore_index=IGNORED, reduction="sum"
        )
        return total / (labels != IGNORED).sum().clamp(min=1)


class TextLoss(nn.Module):
    """The same of logits[B, L, V] against tokens[B, L], of which the visible ones count."""

    def __init__(self, *, shift: bool) -> None:
        super().__init__()
        self.loss = TokenLoss(shift=shift)

    def forward(self, *, logits: Tensor, tokens: Tokens) -> Tensor:
        counts = tokens.mask > 0
        if self.loss.shift:  # nothing predicts the first of a text, wherever it stands
            counts = counts & (places_from_first(tokens.mask) > 0)
        found: Tensor = self.loss(logits=logits, labels=tokens.ids.masked_fill(~counts, IGNORED))
        return found


def build_class_loss(config: NoConfig) -> ClassLoss:
    return ClassLoss()


def build_token_loss(config: TokenLossConfig) -> TokenLoss:
    return TokenLoss(shift=config.shift)


def build_text_loss(config: TokenLossConfig) -> TextLoss:
    return TextLoss(shift=config.shift)


def build_number(config: NoConfig) -> Number:
    return Number()


def build_number_loss(config: NumberLossConfig) -> NumberLoss:
    return NumberLoss(squares=config.of == "squares")


def build_sum_losses(config: NoConfig) -> SumLosses:
    return SumLosses()
