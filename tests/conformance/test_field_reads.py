"""A field of a config that nothing reads is told, whatever the entry is; one that counts is not, however it is read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from offering import Offers
from torch import Tensor, nn

from composer.conformance import check_plugin
from composer.plugin import (
    Config,
    Dataset,
    Method,
    Metric,
    Modality,
    ModuleType,
    SearchPolicy,
    TextRules,
)
from composer.types import Signature


class Widths(Config):
    """Two numbers."""

    width: int = 4
    most: int = 8


class Silent(Config):
    """A number that counts, and one that does not."""

    width: int = 4
    unheard: int = 8


class Scale(nn.Module):
    def __init__(self, width: int, most: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((width,), most))

    def forward(self, *, vector: Tensor) -> Tensor:
        return vector * self.weight


def build_by_name(config: Widths) -> Scale:
    return Scale(config.width, config.most)


def build_by_dump(config: Widths) -> Scale:
    return Scale(**config.model_dump())


def build_by_items(config: Widths) -> Scale:
    return Scale(**dict(config))


def build_without(config: Silent) -> Scale:
    return Scale(config.width)


def module_type(builder: str, model: type[Config] = Widths) -> ModuleType:
    def signature(config: Any) -> Signature:
        return Signature(
            {"vector": f"embedding[B, {config.width}]"}, {"vector": f"embedding[B, {config.width}]"}
        )

    return ModuleType("test.scale", model, {"forward": Method(signature)}, f"{__name__}:{builder}", "Scales.")


class Half(Config):
    """Where `doubled` is set, `by` counts."""

    width: int = 4
    doubled: bool = False
    by: float = 2.0


def build_half(config: Half) -> Scale:
    return Scale(config.width, config.by if config.doubled else 1.0)


def half(*examples: dict[str, Any]) -> ModuleType:
    def signature(config: Half) -> Signature:
        return Signature(
            {"vector": f"embedding[B, {config.width}]"}, {"vector": f"embedding[B, {config.width}]"}
        )

    builder = f"{__name__}:build_half"
    return ModuleType(
        "test.half", Half, {"forward": Method(signature)}, builder, "Halves.", examples=examples
    )


class Points:
    def __init__(self, config: Any) -> None:
        self.config = config

    def encode(self, values: Sequence[Any]) -> dict[str, Any]:
        return {"vector": np.stack(values).astype(np.float32)[:, : self.config.width]}


def points(config: Any) -> list[Any]:
    return [np.arange(4.0), np.ones(4)]


def modality(model: type[Config] = Silent, **more: Any) -> Modality:
    return Modality(
        "test.points",
        model,
        lambda config: {"vector": f"embedding[B, {config.width}]"},
        f"{__name__}:Points",
        "Points.",
        sample=f"{__name__}:points",
        **more,
    )


class Samples:
    splits = ("train", "test")

    def __init__(self, config: Any) -> None:
        self.width = config.width

    def samples(self, split: str, epoch: int = 0) -> list[Any]:
        return [{"x": np.zeros(self.width)}] * 4


def score(predictions: Any, references: Any, config: Silent) -> float:
    return float(config.width)


def pairs() -> tuple[list[float], list[float]]:
    return [1.0, 2.0], [1.0, 3.0]


class Odd(TextRules):
    own: int = 3


class Greedy:
    def __init__(self, *, config: Odd, framing: Any) -> None:
        self.framing = framing

    def search(self, step: Any, cache: Any, batch: int) -> Any:
        from composer.conformance.policies import FRAMING  # its texts are of no matter here

        return [[type("Text", (), {"ids": [1, 5, 6, FRAMING.ends[0]], "score": 0.0})()]] * batch


def told(entry: Any) -> list[str]:
    return [each.reason for each in check_plugin(Offers(entry)).failures if each.check == "fields"]


UNREAD = "nothing reads `unheard` of Silent, with any of its examples"


@pytest.mark.parametrize(
    "entry",
    [
        module_type("build_without", Silent),
        modality(),
        Dataset("test.samples", Silent, f"{__name__}:Samples", "Samples."),
        Metric("test.score", f"{__name__}:score", "Scores.", sample=f"{__name__}:pairs", config=Silent),
    ],
    ids=lambda entry: type(entry).__name__,
)
def test_a_field_that_nothing_reads_is_told(entry: Any) -> None:
    (reason,) = told(entry)
    assert reason.startswith(UNREAD)
    assert reason.endswith("use what it says, or take it away")


@pytest.mark.parametrize("builder", ["build_by_name", "build_by_dump", "build_by_items"])
def test_a_field_may_be_read_in_any_way(builder: str) -> None:
    assert told(module_type(builder)) == []


def test_functions_of_a_declaration_read_too() -> None:
    assert told(modality(Widths, ranges=lambda config: {"B": (1, config.most)})) == []


def test_a_field_may_count_beside_another_alone() -> None:
    """No example has it read; a line of the plugin that speaks of the config does."""
    assert told(half({})) == []


def test_what_the_core_declares_is_the_cores_to_read() -> None:
    """Of a policy whose config extends the rules, its own field is told, and no rule."""
    policy = SearchPolicy("test.odd", f"{__name__}:Greedy", "Odd.", config=Odd, examples=({},))
    results = check_plugin(Offers(policy)).results
    assert all("`first`" not in each.reason for each in results)


def test_an_entry_that_did_not_run_is_not_judged() -> None:
    assert told(modality(host=lambda config: {"vector": "nothing[B]"})) == []
