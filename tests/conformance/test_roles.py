"""What a kind says of its fields and dimensions is what counts, whatever they are called: the mask, the samples."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn

from composer.conformance import ConformanceReport, check_plugin
from composer.plugin import Method, ModuleType, NoConfig, hookimpl
from composer.types import Field, Kind, Signature


class Seen(NamedTuple):
    values: Tensor
    seen: Tensor | None = None


class Blend(NamedTuple):
    mask: Tensor
    shown: Tensor


SEEN = Kind(
    "test.seen",
    "A mask that is called otherwise.",
    ("batch", "length", "width"),
    {"values": Field("float", (0, 1, 2)), "seen": Field("bool", (0, 1), optional=True)},
    record=Seen,
    mask="seen",
)
LINE = Kind(
    "test.line",
    "The samples lie along the second dimension.",
    ("length", "batch", "width"),
    {"values": Field("float", (0, 1, 2)), "seen": Field("int64", (0, 1), optional=True)},
    record=Seen,
    mask="seen",
)
TURNED = Kind(
    "test.turned",
    "Its mask has the samples first, and its values have them second.",
    ("length", "batch", "width"),
    {"values": Field("float", (0, 1, 2)), "seen": Field("int64", (1, 0), optional=True)},
    record=Seen,
    mask="seen",
)
ROWS = Kind(
    "test.rows", "No dimension is called batch.", ("rows", "width"), {"values": Field("float", (0, 1))}
)
BLEND = Kind(
    "test.blend",
    "A field that is called mask and is none.",
    ("batch", "length"),
    {"mask": Field("float", (0, 1)), "shown": Field("int64", (0, 1))},
    record=Blend,
    mask="shown",
)
KINDS = (SEEN, LINE, TURNED, ROWS, BLEND)


class Mean(nn.Module):
    """Each state less the mean of those that are visible; `along` is the axis of the length."""

    def __init__(self, *, along: int, turned: bool = False, blind: bool = False, leaks: bool = False) -> None:
        super().__init__()
        self.along, self.turned, self.blind, self.leaks = along, turned, blind, leaks
        self.map = nn.Linear(8, 8)

    def forward(self, *, states: Seen) -> Seen:
        values = self.map(states.values)
        seen = None if states.seen is None or self.blind else states.seen
        if seen is None:
            mean = values.mean(dim=self.along, keepdim=True)
        else:
            shown = (seen.T if self.turned else seen).unsqueeze(-1).to(values.dtype)
            mean = (values * shown).sum(self.along, keepdim=True) / shown.sum(self.along, keepdim=True)
        if self.leaks:
            mean = mean.mean(dim=1 - self.along, keepdim=True)
        return Seen(values - mean, states.seen)


class Rows(nn.Module):
    def __init__(self, *, leaks: bool = False) -> None:
        super().__init__()
        self.map, self.leaks = nn.Linear(8, 8), leaks

    def forward(self, *, states: Tensor) -> Tensor:
        values = self.map(states)
        return values - values.mean(0) if self.leaks else values


class Mixed(nn.Module):
    def __init__(self, *, blind: bool = False) -> None:
        super().__init__()
        self.scale, self.blind = nn.Parameter(torch.ones(1)), blind

    def forward(self, *, states: Blend) -> Blend:
        shown = torch.ones_like(states.shown) if self.blind else states.shown
        mean = (states.mask * shown).sum(1, True) / shown.sum(1, True)
        return Blend(states.mask * self.scale + mean, states.shown)


BUILDS: dict[str, Callable[[Any], nn.Module]] = {
    "seen": lambda config: Mean(along=1),
    "seen_blind": lambda config: Mean(along=1, blind=True),
    "seen_leaks": lambda config: Mean(along=1, leaks=True),
    "line": lambda config: Mean(along=0),
    "line_blind": lambda config: Mean(along=0, blind=True),
    "line_leaks": lambda config: Mean(along=0, leaks=True),
    "turned": lambda config: Mean(along=0, turned=True),
    "turned_blind": lambda config: Mean(along=0, blind=True),
    "turned_leaks": lambda config: Mean(along=0, turned=True, leaks=True),
    "rows": lambda config: Rows(),
    "rows_leaks": lambda config: Rows(leaks=True),
    "blend": lambda config: Mixed(),
    "blend_blind": lambda config: Mixed(blind=True),
}


def __getattr__(name: str) -> Any:
    if name.startswith("build_"):
        return BUILDS[name.removeprefix("build_")]
    raise AttributeError(name)


PORTS = {
    "seen": "test.seen[B, N, 8]",
    "line": "test.line[N, B, 8]",
    "turned": "test.turned[N, B, 8]",
    "rows": "test.rows[R, 8]",
    "blend": "test.blend[B, N]",
}


class Plugin:
    __name__ = "offered"

    def __init__(self, built: str) -> None:
        port = PORTS[built.partition("_")[0]]
        signature = Signature({"states": port}, {"states": port})
        methods = {"forward": Method(lambda config: signature)}
        self.entry = ModuleType("test.one", NoConfig, methods, f"{__name__}:build_{built}", "For tests.")

    @hookimpl
    def composer_register(self, register: Any) -> None:
        register(*KINDS, self.entry)


def outcomes(report: ConformanceReport) -> dict[str, str]:
    return {each.check: each.outcome for each in report.results if each.subject.startswith("test.one")}


@pytest.mark.parametrize("built", ["seen", "line", "turned", "blend"])
def test_a_module_that_keeps_to_the_roles_passes(built: str) -> None:
    report = check_plugin(Plugin(built))
    assert report.passed, str(report)
    assert set(outcomes(report).values()) == {"pass"}


def test_without_a_mask_only_the_padding_is_skipped() -> None:
    found = outcomes(check_plugin(Plugin("rows")))
    assert found.pop("padding") == "skip"
    assert set(found.values()) == {"pass"}


@pytest.mark.parametrize("built", ["seen_blind", "line_blind", "turned_blind", "blend_blind"])
def test_a_module_that_ignores_its_mask_is_told(built: str) -> None:
    report = check_plugin(Plugin(built))
    assert [each.check for each in report.failures] == ["padding"], str(report)
    assert "3 hidden positions on the right along N change states" in report.failures[0].reason


@pytest.mark.parametrize("built", ["seen_leaks", "line_leaks", "turned_leaks", "rows_leaks"])
def test_a_module_whose_samples_see_each_other_is_told(built: str) -> None:
    report = check_plugin(Plugin(built))
    assert "batch" in [each.check for each in report.failures], str(report)
    assert any("alone gives something else" in each.reason for each in report.failures)
