"""Scalars mean what YAML 1.2 says, not what YAML 1.1 said."""

from __future__ import annotations

import math
from typing import Any

import pytest
import yaml
from documents import checked, resolved
from hypothesis import given, settings
from hypothesis import strategies as st


def value_of(text: str) -> Any:
    return resolved(f"composer: 1\nparameters:\n  value: {text}\n").parameters["value"]


@pytest.mark.parametrize(
    "text", ["no", "No", "yes", "on", "off", "y", "n", "1:30", "12:30:45", "1_000", "2026-11-23"]
)
def test_words_that_yaml_1_1_took_for_something_else_are_text(text: str) -> None:
    assert value_of(text) == text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("True", True),
        ("FALSE", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("0", 0),
        ("007", 7),
        ("-12", -12),
        ("+3", 3),
        ("0o17", 15),
        ("0xFf", 255),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1.", 1.0),
        ("1e3", 1000.0),
        ("-1E-2", -0.01),
        (".inf", math.inf),
        ("-.Inf", -math.inf),
        ("+.INF", math.inf),
        ("1e400", math.inf),
    ],
)
def test_numbers_and_words(text: str, value: Any) -> None:
    found = value_of(text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("text", [".nan", ".NaN", ".NAN"])
def test_not_a_number(text: str) -> None:
    assert math.isnan(value_of(text))


@pytest.mark.parametrize(
    "text", ["0b1", "0o8", "0xg", "1e", "1.2.3", "--1", "+", "-", ".", "1 2", "tRUE", "nULL"]
)
def test_what_only_looks_like_a_number_is_text(text: str) -> None:
    if text == "-":
        text = '"-"'
    assert value_of(text) == text.strip('"')


@pytest.mark.parametrize("text", ['"1"', "'true'", '"null"', "'.5'"])
def test_quotes_make_text(text: str) -> None:
    assert value_of(text) == text[1:-1]


@given(st.one_of(st.integers(), st.floats(allow_nan=False), st.booleans(), st.none()))
@settings(deadline=None)
def test_every_scalar_that_json_can_write_comes_back(value: Any) -> None:
    import json

    written = json.dumps(value).replace("Infinity", ".inf")
    found = value_of(written)
    assert found == value
    assert isinstance(found, type(value))


@given(
    st.text(
        st.characters(codec="utf-8", exclude_categories=("Cs", "Cc", "Cf", "Cn", "Zl", "Zp")), max_size=30
    )
)
@settings(deadline=None)
def test_every_text_in_double_quotes_comes_back(text: str) -> None:
    import json

    assert value_of(json.dumps(text, ensure_ascii=False)) == text


def test_the_loader_of_other_programs_is_left_alone() -> None:
    value_of("no")
    assert yaml.safe_load("no") is False


def test_the_merge_key_is_refused_once_with_a_way_out() -> None:
    (problem,) = checked(
        "composer: 1\nmodules:\n  a: &a {uses: toy.text}\n  b: {<<: *a}\ntasks:\n"
        "  t:\n    inputs: {x: {modality: array, with: {kind: tokens, dims: [B, L]}}}\n"
        "    nodes: {n: {call: a, inputs: x}, m: {call: b, inputs: x}}\n    outputs: {o: n, p: m}\n"
    ).errors[:1]
    assert (problem.code, problem.place.line, problem.place.column) == ("C101", 4, 7)
    assert any("extends" in text for text in problem.helps)


def test_a_quoted_merge_key_is_an_ordinary_key() -> None:
    assert resolved('composer: 1\nparameters: {value: {"<<": 1}}\n').parameters["value"] == {"<<": 1}


def test_an_anchor_gives_the_same_value_again() -> None:
    found = resolved("composer: 1\nparameters: {a: &a [1, 2], b: *a}\n").parameters
    assert found["a"] == found["b"] == [1, 2]
