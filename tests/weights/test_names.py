"""Collapsing names: readable, and never claiming a name that is not there."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from composer.weights.names import collapse, nearest


@pytest.mark.parametrize(
    ("names", "patterns"),
    [
        ([f"text.layers.{i}.query.weight" for i in range(22)], ["text.layers.{0..21}.query.weight"]),
        (["a.0.w", "a.1.w", "a.2.w", "a.5.w"], ["a.{0..2,5}.w"]),
        (["a.3.w"], ["a.3.w"]),
        ([f"a.{i}.{j}" for i, j in itertools.product(range(2), range(3))], ["a.{0..1}.{0..2}"]),
        (["a.0.0", "a.0.1", "a.1.0"], ["a.{0..1}.0", "a.0.1"]),
        (["b.w", "a.0.w", "c.w", "a.1.w"], ["b.w", "a.{0..1}.w", "c.w"]),
        (["a.01.w", "a.1.w", "a.².w"], ["a.01.w", "a.1.w", "a.².w"]),
        ([], []),
    ],
)
def test_numbers_collapse_into_ranges(names: list[str], patterns: list[str]) -> None:
    assert list(collapse(names)) == patterns


@given(st.lists(st.from_regex(r"(?:[ab]|[0-3])(?:\.(?:[ab]|[0-3])){0,3}", fullmatch=True), unique=True))
def test_a_pattern_says_exactly_which_names_there_are(names: list[str]) -> None:
    expanded = [name for pattern in collapse(names) for name in _expand(pattern)]
    assert sorted(expanded) == sorted(names)
    assert sorted(name for members in collapse(names).values() for name in members) == sorted(names)


def _expand(pattern: str) -> list[str]:
    pieces: list[list[str]] = []
    for piece in re.findall(r"\{[^}]*\}|[^{}]+", pattern):
        if not piece.startswith("{"):
            pieces.append([piece])
            continue
        runs = [run.split("..") for run in piece[1:-1].split(",")]
        pieces.append([str(n) for run in runs for n in range(int(run[0]), int(run[-1]) + 1)])
    return ["".join(parts) for parts in itertools.product(*pieces)]


def test_near_names_are_found_and_far_ones_left_out() -> None:
    assert nearest(["text.query.weight", "zzz"], ["text.key.bias", "text.queries.weight"]) == {
        "text.query.weight": "text.queries.weight"
    }
    assert nearest(["a"] * 300, ["a"] * 300) == {}, "hopelessly long lists are not compared"
