"""A metric scores its own predictions and references: what breaks its contract is told."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch

from composer.conformance import check_plugin
from composer.plugin import Metric, hookimpl


class Plugin:
    def __init__(self, implementation: str, sample: str | None = "texts") -> None:
        self.implementation, self.sample = implementation, sample

    @hookimpl
    def composer_register(self, register: Any) -> None:
        sample = None if self.sample is None else f"{__name__}:{self.sample}"
        register(Metric("test.score", f"{__name__}:{self.implementation}", "A score.", sample=sample))


def texts() -> Any:
    return ["a red circle", "a blue square"], ["a red circle", "a red square"]


def scores() -> Any:
    return [torch.tensor([0.1, 0.9]), torch.tensor([0.8, 0.2])], [np.int64(1), np.int64(1)]


def unequal() -> Any:
    return ["a", "b"], ["a"]


def alone() -> Any:
    return ["a"], ["a"]


def not_lists() -> Any:
    return "ab", "ab"


def right(predictions: Any, references: Any) -> float:
    return sum(a == b for a, b in zip(predictions, references, strict=True)) / len(references)


def right_classes(predictions: Any, references: Any) -> Any:
    return (
        torch.stack([p.argmax() == int(r) for p, r in zip(predictions, references, strict=True)])
        .float()
        .mean()
    )


def empties(predictions: Any, references: Any) -> float:
    predictions.clear()
    return 1.0


def sorts(predictions: Any, references: Any) -> float:
    references.sort(reverse=True)
    return 1.0


def scales(predictions: Any, references: Any) -> float:
    predictions[0].mul_(2)
    return 1.0


def nan(predictions: Any, references: Any) -> float:
    return float("nan")


def infinite(predictions: Any, references: Any) -> float:
    return -float("inf")


COUNTER = itertools.count()


def counts(predictions: Any, references: Any) -> float:
    return float(next(COUNTER))


def text(predictions: Any, references: Any) -> Any:
    return "0.5"


def nothing(predictions: Any, references: Any) -> Any:
    return None


def raises(predictions: Any, references: Any) -> float:
    return 1 / 0


def leaves(predictions: Any, references: Any) -> float:
    raise SystemExit(0)


def one_argument(predictions: Any) -> float:
    return 1.0


def result(plugin: Plugin) -> tuple[str, str, str]:
    (found,) = (each for each in check_plugin(plugin).results if each.subject == "test.score")
    return found.check, found.outcome, found.reason


@pytest.mark.parametrize("plugin", [Plugin("right"), Plugin("right_classes", "scores")])
def test_a_metric_that_keeps_its_contract_passes(plugin: Plugin) -> None:
    assert result(plugin) == ("score", "pass", "")


@pytest.mark.parametrize(
    ("plugin", "reason"),
    [
        (Plugin("empties"), "it changes the predictions that it is given"),
        (Plugin("sorts"), "it changes the references that it is given"),
        (Plugin("scales", "scores"), "it changes the predictions that it is given"),
        (Plugin("nan"), "it gives nan for its `sample`; a finite number is expected"),
        (Plugin("infinite"), "it gives -inf for its `sample`; a finite number is expected"),
        (Plugin("counts"), "for the same predictions and references"),
        (Plugin("text"), "returns '0.5': a number is expected"),
        (Plugin("nothing"), "returns None: a number is expected"),
        (Plugin("raises"), "raises ZeroDivisionError: division by zero"),
        (Plugin("leaves"), "ends the program: sys.exit(0)"),
        (Plugin("one_argument"), "raises TypeError: "),
        (Plugin("right", "unequal"), "its `sample` does not give two lists of one length"),
        (Plugin("right", "alone"), "its `sample` does not give two lists of one length"),
        (Plugin("right", "not_lists"), "its `sample` does not give two lists of one length"),
    ],
)
def test_a_broken_promise_is_told(plugin: Plugin, reason: str) -> None:
    check, outcome, told = result(plugin)
    assert (check, outcome) == ("score", "fail")
    assert reason in told


@pytest.mark.parametrize("plugin", [Plugin("not_there"), Plugin("right", "not_there")])
def test_a_function_that_is_not_there_is_told_once(plugin: Plugin) -> None:
    check, outcome, told = result(plugin)
    assert (check, outcome) == ("implementation", "fail")
    assert "not_there" in told


def test_a_metric_without_a_sample_is_skipped_with_the_reason() -> None:
    assert result(Plugin("right", None)) == (
        "score",
        "skip",
        "it names no predictions and references (`sample`), so it was not run",
    )
