"""A method that a module of some configs has not: its signature refuses them, and the kit holds it with the others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from torch import nn

from composer.conformance import ConformanceReport, check_plugin
from composer.plugin import Config, Method, ModuleType, hookimpl
from composer.problems import InputError
from composer.types import Signature, States


class ReadingConfig(Config):
    scores: bool = False


class Reads(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.map = nn.Linear(4, 4)

    def forward(self, *, states: States) -> States:
        return States(self.map(states.values), states.mask)


def build(config: ReadingConfig) -> Reads:
    return Reads()


def _ports(config: ReadingConfig) -> Signature:
    return Signature({"states": "states[B, N, 4]"}, {"states": "states[B, N, 4]"})


def _scores(config: ReadingConfig) -> Signature:
    if not config.scores:
        raise InputError("it was built without a head")
    return _ports(config)


def report(examples: tuple[Mapping[str, Any], ...]) -> ConformanceReport:
    entry = ModuleType(
        "test.reads",
        ReadingConfig,
        {"forward": Method(_ports), "scores": Method(_scores)},
        f"{__name__}:build",
        "Reads.",
        examples=examples,
    )

    class Plugin:
        @staticmethod
        @hookimpl
        def composer_register(register: Any) -> None:
            register(entry)

    return check_plugin(Plugin)


def test_it_is_held_where_a_config_has_it() -> None:
    found = report(({"scores": False}, {"scores": True}))
    assert found.passed, found.failures
    told = [result.reason for result in found.results if result.outcome == "skip"]
    assert any("it was built without a head" in reason for reason in told)


@pytest.mark.parametrize("examples", [({"scores": False},), ()])
def test_one_that_no_example_has_is_a_failure(examples: tuple[Mapping[str, Any], ...]) -> None:
    (failure,) = report(examples).failures
    assert "no example has this method (it was built without a head)" in failure.reason
