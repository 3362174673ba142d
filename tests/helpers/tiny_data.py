"""A plugin with a dataset, metrics and losses of a few numbers, which misbehave in the ways that their config says."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from composer.plugin import Config, Dataset, Method, Metric, ModuleType, NoConfig, Register, hookimpl
from composer.types import Signature, States

__all__ = ["DOCUMENT", "RECIPE", "composer_register", "install"]

DOCUMENT = """\
composer: 1
name: points
modules:
  head: {uses: core.linear, with: {input_dim: 4, output_dim: 2}}
tasks:
  sort:
    inputs: {x: {modality: array, with: {kind: states, dims: [B, 5, 4]}}}
    nodes:
      vector: {uses: core.pool, inputs: x}
      scores: {call: head.scores, inputs: vector}
    outputs: {scores: scores, vector: vector}
    objective:
      inputs: {truth: {modality: array, with: {kind: classes, dims: [B]}}}
      nodes: {cost: {uses: core.class_loss, inputs: {scores: scores, classes: truth}}}
      loss: cost.loss
"""
RECIPE = """\
epochs: 3
learning_rate: 1e-2
tasks:
  sort:
    dataset: tiny.points
    batch: 4
    output: scores
    reference: truth
    metrics: {accuracy: tiny.accuracy}
"""


def install(place: Path, patch: pytest.MonkeyPatch) -> Path:
    """Install this plugin, and make a folder with `points.yaml` and `recipe.yaml` the current one."""
    info, folder = place / "site" / "composer_tiny-0.1.0.dist-info", place / "work"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: composer-tiny\nVersion: 0.1.0\n")
    (info / "entry_points.txt").write_text("[composer]\ntiny = tiny_data\n")
    patch.syspath_prepend(place / "site")
    folder.mkdir()
    patch.chdir(folder)
    (folder / "points.yaml").write_text(DOCUMENT)
    (folder / "recipe.yaml").write_text(RECIPE)
    return folder


class PointsConfig(Config):
    """Points of two classes."""

    count: int = 16
    """Training samples."""
    fault: str = ""
    """How the dataset misbehaves."""
    split: str = "train"
    """Where it does."""
    held_out: int = 4
    """Samples of each other split."""


class Points:
    """Sixteen clouds of five points, of two classes that differ in their first number."""

    splits = ("validation", "test")

    def __init__(self, config: PointsConfig) -> None:
        self.config = config
        if config.fault == "exit at build":
            raise SystemExit("please pip install my-data")

    def samples(self, split: str, epoch: int = 0) -> Any:
        count = self.config.count if split == "train" else self.config.held_out
        random = np.random.default_rng(len(split))
        made = [self._sample(random, i) for i in range(count)]
        return made if self.config.split not in (split, "all") else self._spoilt(made, epoch)

    def _sample(self, random: np.random.Generator, i: int) -> dict[str, Any]:
        values = random.normal(size=(5, 4)).astype("float32")
        values[:, 0] += 3.0 * (i % 2)
        return {"x": States(values, None), "truth": np.int64(i % 2), "name": f"s{i}"}

    def _spoilt(self, made: list[Any], epoch: int) -> Any:  # noqa: PLR0912
        last = made[-1]
        values = last["x"].values
        match self.config.fault:
            case "os error":
                raise FileNotFoundError(2, "No such file or directory", "val.csv")
            case "key error":
                raise KeyError("rows")
            case "runtime error":
                raise RuntimeError("broke\nsecond line")
            case "exit":
                raise SystemExit("please pip install my-data")
            case "none":
                return None
            case "generator":
                return (sample for sample in made)
            case "empty":
                return []
            case "list of numbers":
                return [1, 2]
            case "noted":
                return Noted(made)
            case "lazy":
                return Lazy(made)
            case "lazy that breaks":
                return Lazy(made, breaks=True)
            case "grows":
                return made * (epoch + 1)
            case "ragged":
                last["x"] = States(values[:3], None)
            case "bare":
                last["x"] = values
            case "none in a field":
                last["truth"] = None
            case "no field":
                del last["truth"]
            case "class beyond":
                last["truth"] = np.int64(7)
            case "nan":
                values[0, 0] = np.nan
            case "map that breaks" | "map without end":
                made[-1] = Row(last, self.config.fault)
        return made


class Row(Mapping[str, Any]):
    """A sample of a plugin's own type, whose fields are read when they are asked for."""

    def __init__(self, fields: Mapping[str, Any], fault: str) -> None:
        self.fields, self.fault = fields, fault

    def __getitem__(self, name: str) -> Any:
        if self.fault == "map that breaks" and name == "truth":
            raise OSError(5, "Input/output error", "truth.bin")
        return self.fields[name]

    def __iter__(self) -> Iterator[str]:
        if self.fault == "map without end":
            raise SystemExit("no fields")
        return iter(self.fields)

    def __len__(self) -> int:
        return len(self.fields)


class Lazy(Sequence[Any]):
    """Samples that are read when they are asked for."""

    def __init__(self, made: list[Any], *, breaks: bool = False) -> None:
        self.made, self.breaks = made, breaks

    def __len__(self) -> int:
        return len(self.made)

    def __getitem__(self, index: Any) -> Any:
        if self.breaks and index == len(self.made) - 1:
            raise OSError(5, "Input/output error", "points.bin")
        return self.made[index]


class Noted(Lazy):
    """Samples of which each process notes those that it asks for, in `asked.PID`."""

    def __getitem__(self, index: Any) -> Any:
        with Path(f"asked.{os.getpid()}").open("a") as file:
            file.write(f"{index}\n")
        return super().__getitem__(index)


class LossConfig(Config):
    """A loss that misbehaves."""

    how: str = ""


class Loss(nn.Module):
    """Cross entropy of scores[B, K] against classes[B] → scalar, spoilt."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how

    def forward(self, *, scores: torch.Tensor, classes: torch.Tensor) -> Any:
        each = nn.functional.cross_entropy(scores, classes, reduction="none")
        match self.how:
            case "no mean":
                return each
            case "nan gradient":
                return each.mean() + torch.sqrt(scores.sum() * 0)
            case "nan":
                return each.mean() * float("nan")
            case "detached":
                return each.mean().detach()
            case "none":
                return None
            case "raises":
                raise IndexError("index 9 is out of range")
            case "raises backward" | "exit backward":
                return Stubborn.apply(each.mean(), self.how)
        return each.mean()


class Stubborn(torch.autograd.Function):
    """A loss as it is, whose gradient cannot be had."""

    @staticmethod
    def forward(ctx: Any, loss: torch.Tensor, how: str) -> torch.Tensor:
        ctx.how = how
        return loss.clone()

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> Any:
        if ctx.how == "exit backward":
            raise SystemExit(0)
        raise KeyError("saved")


class Tied(nn.Module):
    """Two linear maps over states[B, N, D] that share their weights."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 4)
        self.second.weight = self.first.weight

    def forward(self, *, states: States) -> States:
        return States(self.second(self.first(states.values)), states.mask)


class Body(nn.Module):
    """Two layers over states[B, N, 4] with dropout between, a norm with running means, a map whose weight is read, and
    an idle one."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(4, 4) for _ in range(2))
        self.dropout = nn.Dropout(0.5)
        self.norm = nn.BatchNorm1d(4)
        self.read, self.idle = nn.Linear(4, 4), nn.Linear(4, 4)
        self.scale = nn.Parameter(torch.ones(4))

    def forward(self, *, states: States) -> States:
        values = self.dropout(torch.tanh(self.layers[0](states.values)))
        values = self.norm(self.layers[1](values).transpose(1, 2)).transpose(1, 2) * self.scale
        return States(values + nn.functional.linear(values, self.read.weight), states.mask)


def build_body(config: NoConfig) -> Body:
    return Body()


def build_loss(config: LossConfig) -> Loss:
    return Loss(config.how)


def build_tied(config: NoConfig) -> Tied:
    return Tied()


def accuracy(predictions: Sequence[Any], references: Sequence[Any]) -> float:
    """Part of the scores whose largest is at the reference."""
    hits = [int(np.argmax(np.asarray(p))) == int(r) for p, r in zip(predictions, references, strict=True)]
    return sum(hits) / len(hits)


def words(predictions: Sequence[str], references: Sequence[str]) -> float:
    return 0.0


def broken(predictions: Sequence[Any], references: Sequence[Any]) -> float:
    return 1 / 0


def nothing(predictions: Sequence[Any], references: Sequence[Any]) -> None:
    return None


def nan(predictions: Sequence[Any], references: Sequence[Any]) -> float:
    return float("nan")


def late(predictions: Sequence[Any], references: Sequence[Any]) -> float:
    """Fails once the weights are there."""
    if list(Path().glob("*/*.safetensors")):
        raise RuntimeError("too late")
    return 0.5


def greedy(predictions: list[Any], references: list[Any]) -> float:
    """Empties what it was given, and ends the program with success."""
    predictions.clear()
    raise SystemExit(0)


def table(predictions: Sequence[Any], references: Sequence[Any]) -> Any:
    return np.zeros(2)


METRICS = [
    Metric(f"tiny.{f.__name__}", f"tiny_data:{f.__name__}", "A score.", takes=("text",) if f is words else ())
    for f in (accuracy, words, broken, nothing, nan, late, greedy, table)
]
LOSS = ModuleType(
    "tiny.loss",
    LossConfig,
    {
        "forward": Method(
            lambda config: Signature({"scores": "scores[B, K]", "classes": "classes[B]"}, {"loss": "scalar"})
        )
    },
    "tiny_data:build_loss",
    "A loss that misbehaves.",
    stateless=True,
)
TIED = ModuleType(
    "tiny.tied",
    NoConfig,
    {
        "forward": Method(
            lambda config: Signature({"states": "states[B, N, 4]"}, {"states": "states[B, N, 4]"})
        )
    },
    "tiny_data:build_tied",
    "Two maps with one weight.",
)
BODY = ModuleType(
    "tiny.body",
    NoConfig,
    {
        "forward": Method(
            lambda config: Signature({"states": "states[B, N, 4]"}, {"states": "states[B, N, 4]"})
        )
    },
    "tiny_data:build_body",
    "Two layers, dropout and a norm.",
)


@hookimpl
def composer_register(register: Register) -> None:
    """Register what the tests of training need."""
    dataset = Dataset("tiny.points", PointsConfig, "tiny_data:Points", "Points of two classes.")
    register(dataset, *METRICS, LOSS, TIED, BODY)
