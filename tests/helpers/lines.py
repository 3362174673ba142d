"""Two tasks over a model of a few weights, a straight line, that the tests of training fit to points."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from composer.recipes import Recipe
from composer.training.protocol import Batch, Share

__all__ = ["TASK", "Line", "Points", "data", "recipe"]

TASK = {"dataset": "none", "batch": 1, "output": "y", "reference": "y", "metrics": {}}


class Line:
    """Learns y = 2x - 1, with dropout so that the random state matters."""

    def __init__(self, *, broken: bool = False) -> None:
        torch.manual_seed(7)
        self.modules_by_name = {"line": nn.Sequential(nn.Linear(1, 16), nn.Dropout(0.1), nn.Linear(16, 1))}
        self.running = self.modules_by_name
        self.broken = broken

    def train(self) -> None:
        self.modules_by_name["line"].train()

    def eval(self) -> None:
        self.modules_by_name["line"].eval()

    def begin_step(self, task: str) -> None:
        pass

    def loss(self, task: str, batch: Batch) -> Tensor:
        x = batch["x"]["values"]
        offset = 1.0 if task == "up" else -1.0
        found = self.modules_by_name["line"](x) - (2 * x + offset * 0 - 1)
        return found.square().mean() * (math.nan if self.broken else 1.0)


class Points:
    def batches(self, epoch: int) -> int:
        return 5

    def count(self, epoch: int, index: int) -> int:
        return 8

    def batch(self, epoch: int, index: int) -> Batch:
        generator = torch.Generator().manual_seed(100 * epoch + index)
        return {"x": {"values": torch.randn(8, 1, generator=generator)}}

    def part(self, epoch: int, index: int, share: Share) -> tuple[Batch, int]:
        x = self.batch(epoch, index)["x"]["values"]
        rows, counts = share(list(x))
        return {"x": {"values": torch.stack(list(rows))}}, len(rows) if counts else 0

    def samples_of(self, epoch: int, index: int) -> str:
        return f"batch {index}"


def recipe(**changes: object) -> Recipe:
    values = {"epochs": 6, "learning_rate": 0.02, "warmup": 0.1, "tasks": {"up": TASK, "down": TASK}}
    return Recipe.model_validate({**values, **changes})


def data() -> dict[str, Points]:
    return {"up": Points(), "down": Points()}
