"""Parameters: typed by their defaults, set from the command line, and standing for whole values."""

from __future__ import annotations

from typing import Any

import pytest
from documents import checked, codes, resolved

TEXT = """\
composer: 1
parameters: {width: 8, rate: 0.5, deep: true, word: red, sizes: [1, 2], options: {a: 1}, nothing: null}
modules:
  m:
    uses: toy.text
    with: {width: $width, rate: $rate, deep: $deep, word: $word, all: [$sizes, {k: $options}, $nothing]}
"""


def with_of(settings: dict[str, Any] | None = None) -> dict[str, Any]:
    return resolved(TEXT, settings).shape.modules["m"].with_


def test_a_parameter_stands_for_a_whole_value_of_any_type() -> None:
    assert with_of() == {
        "width": 8,
        "rate": 0.5,
        "deep": True,
        "word": "red",
        "all": [[1, 2], {"k": {"a": 1}}, None],
    }


def test_dollars() -> None:
    text = (
        "composer: 1\nparameters: {a: 1}\nmodules: {m: {uses: x, with: {b: $$a, c: a$a, d: $$, e: $$$a}}}\n"
    )
    assert resolved(text).shape.modules["m"].with_ == {"b": "$a", "c": "a$a", "d": "$", "e": "$$a"}


@pytest.mark.parametrize(
    ("name", "given", "value"),
    [
        ("width", "16", 16),
        ("width", "0x10", 16),
        ("width", 16, 16),
        ("rate", "1", 1),
        ("rate", "1e-3", 0.001),
        ("rate", 2.5, 2.5),
        ("deep", "false", False),
        ("word", "blue", "blue"),
        ("word", "1", "1"),
        ("word", "no", "no"),
        ("word", "", ""),
        ("word", "a=b c", "a=b c"),
        ("nothing", "3", 3),
        ("sizes", [3], [3]),
        ("sizes", "[3, 4]", [3, 4]),
        ("sizes", "[]", []),
        ("options", "{a: [b, no]}", {"a": ["b", "no"]}),
        ("nothing", "[1]", [1]),
        ("word", "[1]", "[1]"),
    ],
)
def test_a_setting_is_read_by_the_type_of_its_default(name: str, given: Any, value: Any) -> None:
    found = resolved(TEXT, {name: given})
    assert found.problems == ()
    assert found.parameters[name] == value
    assert type(found.parameters[name]) is type(value)


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("width", "wide"),
        ("width", "1.5"),
        ("width", "true"),
        ("width", ""),
        ("width", None),
        ("width", True),
        ("rate", "fast"),
        ("rate", True),
        ("deep", "1"),
        ("deep", "no"),
        ("word", 3),
        ("sizes", "3"),
        ("sizes", "[3"),
        ("sizes", "{a: 3}"),
        ("sizes", "[!!python/name:os.system x]"),
        ("options", [1]),
        ("width", "9" * 5000),
        ("width", "1e400"),
    ],
)
def test_a_setting_of_another_type_is_one_problem_and_changes_nothing(name: str, given: Any) -> None:
    found = resolved(TEXT, {name: given})
    (problem,) = found.problems
    assert problem.code == "C105"
    assert problem.place.file == "<command line>"
    assert name in problem.message
    assert found.parameters == resolved(TEXT).parameters


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("width", "1.5", "--set width must be a whole number like its default 8, not 1.5"),
        ("deep", "1", "--set deep must be true or false like its default true, not a number"),
    ],
)
def test_a_setting_of_another_type_says_which_is_meant(name: str, given: str, message: str) -> None:
    (problem,) = resolved(TEXT, {name: given}).problems
    assert problem.message == message


def test_a_setting_of_an_unknown_parameter_names_the_nearest() -> None:
    (problem,) = resolved(TEXT, {"widht": "3"}).problems
    assert problem.code == "C103"
    assert "did you mean `width`?" in problem.helps


def test_the_place_of_a_setting_is_its_name_on_the_command_line() -> None:
    found = resolved(TEXT, {"rate": "1", "width": "wide"})
    (problem,) = found.problems
    line = found.sources["<command line>"]
    assert line[problem.place.column - 1 : problem.place.end_column - 1] == "width"


@pytest.mark.parametrize("name", ["widht", "", "a b", "width.x", "WIDTH"])
def test_an_unknown_parameter_is_reported_where_it_is_used(name: str) -> None:
    text = f"""\
composer: 1
parameters: {{width: 8}}
modules: {{m: {{uses: toy.text, with: {{width: "${name}"}}}}, k: {{uses: toy.text, with: {{width: $width}}}}}}
tasks:
  t:
    inputs: {{x: {{modality: array, with: {{kind: tokens, dims: [B, L]}}}}}}
    nodes: {{a: {{call: m, inputs: x}}, b: {{call: k, inputs: x}}}}
    outputs: {{o: a, p: b}}
"""
    (problem,) = checked(text).problems
    assert (problem.code, problem.place.line, problem.place.column) == ("C103", 3, 45)


def test_a_parameter_that_nothing_uses_is_a_warning() -> None:
    text = (
        "composer: 1\nparameters: {width: 8}\ntasks:\n"
        "  t: {inputs: {x: {modality: array, with: {kind: numbers, dims: [B]}}}, outputs: {o: x}}\n"
    )
    assert codes(text) == ["C104"]
    assert checked(text).ok


def test_a_set_parameter_counts_as_used() -> None:
    text = "composer: 1\nparameters: {width: 8}\n"
    assert [p.code for p in resolved(text, {"width": "4"}).problems] == []


@pytest.mark.parametrize("name", ["a b", "1a", "-a", "é", "a.b"])
def test_a_name_must_be_a_plain_word(name: str) -> None:
    assert [p.code for p in resolved(f"composer: 1\nparameters: {{{name}: 1}}\n").problems] == ["C109"]


def test_dims_of_an_array_may_come_from_parameters() -> None:
    text = (
        "composer: 1\nparameters: {width: 8, batch: B}\ntasks:\n  t:\n"
        "    inputs: {x: {modality: array, with: {kind: embedding, dims: [$batch, $width]}}}\n    outputs: {o: x}\n"
    )
    report = checked(text, {"width": "5"})
    assert report.problems == ()
    assert str(report.tasks["t"].inputs["x"].ports["embedding"]) == "embedding[B, 5]"
