"""The kit holds nodes that take texts, and modalities that nodes can be read as, to any text, row by row."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from types import ModuleType as PythonModule
from typing import Any

import numpy as np
import pytest
from torch import nn

from composer.conformance import check_plugin
from composer.plugin import Method, Modality, ModuleType, NoConfig, Register, hookimpl
from composer.types import Signature


class Node(nn.Module):
    """A node of one function."""

    def __init__(self, function: Callable[[list[str]], Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *, text: list[str]) -> Any:
        return self.function(text)


def _count(texts: list[str]) -> Any:
    return np.array([len(text) for text in texts])


def _longest(texts: list[str]) -> Any:
    return np.array([max(map(len, texts)) for _ in texts])


def _fails(texts: list[str]) -> Any:
    return np.array([int(text) for text in texts])


def _first(texts: list[str]) -> Any:
    return np.array([len(texts[0])])


def _real(texts: list[str]) -> Any:
    return np.array([float(len(text)) for text in texts])


def _plain(texts: list[str]) -> Any:
    return [len(text) for text in texts]


@pytest.fixture(autouse=True)
def parts() -> Iterator[None]:
    """The implementations, importable by name."""
    module = PythonModule("texts_of_a_test")
    for function in (_count, _longest, _fails, _first, _real, _plain):
        setattr(module, function.__name__, lambda config, function=function: Node(function))
    sys.modules["texts_of_a_test"] = module
    yield
    del sys.modules["texts_of_a_test"]


def outcome(function: Callable[[list[str]], Any]) -> str:
    signature = Signature({"text": "text[B]"}, {"count": "integers[B]"})
    entry = ModuleType(
        "own.count",
        NoConfig,
        {"forward": Method(lambda config: signature)},
        f"texts_of_a_test:{function.__name__}",
        "Counts.",
        stateless=True,
    )

    class Own:
        @hookimpl
        def composer_register(self, register: Register) -> None:
            register(entry)

    results = [each for each in check_plugin(Own()).results if each.check == "texts"]
    (found,) = results
    return f"{found.outcome} {found.reason}".strip()


def test_a_node_that_keeps_its_promise() -> None:
    assert outcome(_count) == "pass"


@pytest.mark.parametrize(
    ("function", "told"),
    [
        (_longest, "gives another count for 'a red circle' alone than beside other texts"),
        (_fails, "ValueError"),
        (_first, "shape [1] for 10 texts"),
        (_real, "expected int64 values, got float64"),
        (_plain, "expected an array of integers[B], got a list of 10"),
    ],
)
def test_a_node_that_breaks_it(function: Callable[[list[str]], Any], told: str) -> None:
    found = outcome(function)
    assert found.startswith("fail")
    assert told in found


def test_first_party_nodes_keep_it() -> None:
    held = [each for each in check_plugin("core").results if each.check == "texts"]
    outcomes = {each.subject.partition(" ")[0]: each.outcome for each in held}
    assert outcomes.pop("core.best_text") == "skip"  # it reads numbers too, and only texts are made up
    assert outcomes == dict.fromkeys(
        (
            "core.text_template",
            "core.text_join",
            "core.parse_pattern",
            "core.parse_json",
            "core.parse_choice",
        ),
        "pass",
    )


def test_a_modality_that_nodes_are_read_as_has_neither_prepare_nor_host() -> None:
    with pytest.raises(ValueError, match="neither `prepare` nor `host`"):
        Modality(
            "m",
            NoConfig,
            lambda config: {"a": "text[B]"},
            "a:b",
            "",
            prepare="a:c",
            reads={"text": "text[B]"},
        )
