"""Ends of ranges, last ids, and what a process shares: kinds of faults that show only there."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from composer.conformance import check_plugin
from composer.plugin import Dataset, Method, Metric, Modality, ModuleType, NoConfig, hookimpl
from composer.types import UNBOUNDED, Signature, States, Tokens, VocabularyIds


class Plugin:
    def __init__(self, entry: Any) -> None:
        self.entry = entry

    @hookimpl
    def composer_register(self, register: Any) -> None:
        register(self.entry)


class Reader(nn.Module):
    """Ten words, and positions for seven."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(10, 6)
        self.places = nn.Parameter(torch.zeros(7, 6))

    def forward(self, *, tokens: Tokens) -> States:
        values: Tensor = self.words(tokens.ids) + self.places[: tokens.ids.shape[1]]
        return States(values, tokens.mask)


def build_reader(config: NoConfig) -> Reader:
    return Reader()


def read(ranges: dict[str, tuple[int, int]], vocabulary: int) -> ModuleType:
    signature = Signature(
        {"tokens": "tokens[B, L]"},
        {"states": "states:text[B, L, 6]"},
        ranges,
        vocabulary={"tokens": vocabulary},
    )
    methods = {"forward": Method(lambda config: signature)}
    return ModuleType("test.reader", NoConfig, methods, f"{__name__}:build_reader", "Reads.")


def told(entry: Any, check: str) -> str:
    report = check_plugin(Plugin(entry))
    return " | ".join(each.reason for each in report.failures if each.check == check)


@pytest.mark.parametrize(
    ("ranges", "vocabulary", "reason"),
    [
        ({"L": (1, 7)}, 10, ""),
        ({"L": (1, 8)}, 10, "it fails at L=8, which its `ranges` allow: The size of tensor a (8)"),
        ({"L": (1, 7)}, 11, "it fails for the id 10 in tokens, as its `vocabulary` says that it knows 11"),
        ({"L": (1, 60_000)}, 10, "it fails at L=60000"),
        ({"L": (2, UNBOUNDED)}, 10, ""),
        ({"L": (1, 30_000_000)}, 10, ""),
    ],
)
def test_a_method_runs_at_the_ends_that_it_declares(
    ranges: dict[str, tuple[int, int]], vocabulary: int, reason: str
) -> None:
    found = told(read(ranges, vocabulary), "limits")
    assert found.startswith(reason) if reason else not found


class Learns(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.map = nn.Linear(6, 6)

    def forward(self, *, vector: Tensor) -> Tensor:
        found: Tensor = self.map(vector)
        return found


class RunsToServe(Learns):
    def forward(self, *, vector: Tensor) -> Tensor:
        if self.training:
            raise RuntimeError("not made for training")
        return super().forward(vector=vector)


class Narrows(Learns):
    def forward(self, *, vector: Tensor) -> Tensor:
        found = super().forward(vector=vector)
        return found[:, :5] if self.training else found


class Detaches(Learns):
    def forward(self, *, vector: Tensor) -> Tensor:
        return super().forward(vector=vector).detach()


class Frozen(Learns):
    def __init__(self) -> None:
        super().__init__()
        self.requires_grad_(False)


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        (Learns, ""),
        (Frozen, ""),
        (RunsToServe, "it fails in train mode: not made for training"),
        (Narrows, "in train mode: vector: expected embedding[B, 6], got [3, 5]"),
        (Detaches, "in train mode nothing that it gives hangs on its weights"),
    ],
)
def test_a_module_can_be_trained(
    module: type[nn.Module], reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules[__name__], "build_it", lambda config: module(), raising=False)
    signature = Signature({"vector": "embedding[B, 6]"}, {"vector": "embedding[B, 6]"})
    methods = {"forward": Method(lambda config: signature)}
    found = told(ModuleType("test.it", NoConfig, methods, f"{__name__}:build_it", "It."), "training")
    assert found.startswith(reason) if reason else not found


class Words:
    def __init__(self, config: NoConfig) -> None:
        pass

    def encode(self, values: Sequence[str]) -> dict[str, Any]:
        ids = np.array([[int(word) for word in text.split()] for text in values], dtype=np.int64)
        return {"tokens": Tokens(ids, np.ones_like(ids))}  # type: ignore[arg-type]


def texts(config: NoConfig) -> list[str]:
    return ["1 2 3 9", "4 5 6 7"]


@pytest.mark.parametrize(
    ("longest", "ids", "reason"),
    [
        (4, 10, ""),
        (3, 10, "`encode` gives L=4, and its `ranges` say 1 to 3"),
        (4, 9, "`encode` gives tokens the id 9, and its `vocabulary` has 9 ids"),
    ],
)
def test_a_modality_gives_no_more_than_it_declares(longest: int, ids: int, reason: str) -> None:
    modality = Modality(
        "test.words",
        NoConfig,
        lambda config: {"tokens": "tokens[B, L]"},
        f"{__name__}:Words",
        "Words.",
        ranges=lambda config: {"L": (1, longest)},
        vocabulary=lambda config: {"tokens": VocabularyIds("numbers", ids, "0")},
        sample=f"{__name__}:texts",
    )
    assert told(modality, "processor") == reason


class Seeds:
    """Draws its samples of what all share, from a seed: they are the same ones always."""

    splits = ("train", "test")

    def __init__(self, config: NoConfig) -> None:
        pass

    def samples(self, split: str, epoch: int = 0) -> list[Any]:
        self.seed()
        return [{"x": np.float32(self.draw())} for _ in range(4)]

    def seed(self) -> None:
        np.random.seed(0)

    def draw(self) -> float:
        return float(np.random.rand())


class SeedsPython(Seeds):
    def seed(self) -> None:
        random.seed(0)

    def draw(self) -> float:
        return random.random()


class SeedsTorch(Seeds):
    def seed(self) -> None:
        torch.manual_seed(7)

    def draw(self) -> float:
        return float(torch.rand(1))


class Moves(Seeds):
    def seed(self) -> None:
        os.chdir(Path(__file__).parent)

    def draw(self) -> float:
        return 1.0


def widens(predictions: Any, references: Any) -> float:
    torch.set_default_dtype(torch.float64)
    return 1.0


def stops_gradients(predictions: Any, references: Any) -> float:
    torch.set_grad_enabled(False)
    return 1.0


def pairs() -> Any:
    return [1.0, 2.0], [1.0, 3.0]


@pytest.fixture
def as_it_was() -> Iterator[None]:
    before = torch.get_default_dtype(), Path.cwd(), np.random.get_state()[1].tolist()  # type: ignore[index]
    yield
    after = torch.get_default_dtype(), Path.cwd(), np.random.get_state()[1].tolist()  # type: ignore[index]
    assert after == before


@pytest.mark.usefixtures("as_it_was")
@pytest.mark.parametrize(
    ("name", "what"),
    [
        (
            "Seeds",
            "the random numbers of NumPy, which the whole process shares: draw from a generator of your own",
        ),
        ("SeedsPython", "the random numbers of Python"),
        ("SeedsTorch", "the seed of torch"),
        ("Moves", "the working directory, which the whole process shares: put it back"),
    ],
)
def test_a_dataset_leaves_alone_what_all_share(name: str, what: str) -> None:
    assert f"it changes {what}" in told(Dataset("test.d", NoConfig, f"{__name__}:{name}", "D."), "samples")


@pytest.mark.usefixtures("as_it_was")
@pytest.mark.parametrize(
    ("name", "what"),
    [("widens", "torch's default number format"), ("stops_gradients", "whether torch notes gradients")],
)
def test_a_metric_leaves_alone_what_all_share(name: str, what: str) -> None:
    metric = Metric("test.m", f"{__name__}:{name}", "M.", sample=f"{__name__}:pairs")
    assert f"it changes {what}" in told(metric, "score")
