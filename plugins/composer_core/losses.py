"""Torch modules for the losses that belong to no model."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from composer.plugin import NoConfig
from composer.types import Tokens
from composer_core.configs import TokenLossConfig

__all__ = ["ClassLoss", "TextLoss", "TokenLoss", "build_class_loss", "build_text_loss", "build_token_loss"]

IGNORED = -100


class ClassLoss(nn.Module):
    """Cross entropy of scores[B, K] against classes[B], averaged over the batch → scalar."""

    def forward(self, *, scores: Tensor, classes: Tensor) -> Tensor:
        return functional.cross_entropy(scores, classes)


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
        found: Tensor = self.loss(logits=logits, labels=tokens.ids.masked_fill(tokens.mask == 0, IGNORED))
        return found


def build_class_loss(config: NoConfig) -> ClassLoss:
    return ClassLoss()


def build_token_loss(config: TokenLossConfig) -> TokenLoss:
    return TokenLoss(shift=config.shift)


def build_text_loss(config: TokenLossConfig) -> TextLoss:
    return TextLoss(shift=config.shift)
