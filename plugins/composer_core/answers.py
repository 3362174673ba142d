"""Modules that turn class scores into answers: probabilities, the best class, the best few by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from composer.plugin import NoConfig
from composer_core.configs import ArgmaxConfig, TopKConfig

__all__ = [
    "Argmax",
    "BestText",
    "Softmax",
    "TopK",
    "build_argmax",
    "build_best_text",
    "build_softmax",
    "build_top_k",
]


class Softmax(nn.Module):
    """Turns scores[B, K] into probabilities[B, K] that sum to one per sample."""

    def forward(self, *, scores: Tensor) -> Tensor:
        return scores.softmax(dim=-1)


class Argmax(nn.Module):
    """The class with the largest of scores[B, K]: classes[B] int64, the first of equals; with names text[B], too."""

    def __init__(self, *, names: tuple[str, ...] | None) -> None:
        super().__init__()
        self.names = names

    def forward(self, *, scores: Tensor) -> Tensor | dict[str, Any]:
        best = scores.argmax(dim=-1)
        if self.names is None:
            return best
        return {"classes": best, "name": [self.names[index] for index in best.tolist()]}


class TopK(nn.Module):
    """The largest `k` of probabilities[B, K], best first: per sample a list of {"name" or "class", "probability"}."""

    def __init__(self, *, k: int, names: tuple[str, ...] | None) -> None:
        super().__init__()
        self.k = k
        self.names = names

    def forward(self, *, probabilities: Tensor) -> list[list[dict[str, Any]]]:
        values, classes = torch.topk(probabilities.float(), self.k, dim=-1)
        return [
            [self._entry(index, value) for index, value in zip(row, column, strict=True)]
            for row, column in zip(classes.tolist(), values.tolist(), strict=True)
        ]

    def _entry(self, index: int, probability: float) -> dict[str, Any]:
        named = {"class": index} if self.names is None else {"name": self.names[index]}
        return {**named, "probability": probability}


class BestText(nn.Module):
    """Of texts[C], the one that the first of ids[B, K] numbers: text[B]."""

    def forward(self, *, ids: Tensor, texts: Sequence[str]) -> list[str]:
        return [texts[best] for best in ids[:, 0].tolist()]


def build_softmax(config: NoConfig) -> Softmax:
    return Softmax()


def build_argmax(config: ArgmaxConfig) -> Argmax:
    return Argmax(names=None if config.names is None else tuple(config.names))


def build_best_text(config: NoConfig) -> BestText:
    return BestText()


def build_top_k(config: TopKConfig) -> TopK:
    return TopK(k=config.k, names=None if config.names is None else tuple(config.names))
