"""Every form of a reference, lists for `many` inputs, and optional inputs."""

from __future__ import annotations

import pytest
from documents import checked, codes

from composer.graph import Report

TEXT = """\
composer: 1
modules:
  fusion: {{uses: toy.fuse}}
  norm: {{uses: toy.open}}
tasks:
  t:
    inputs:
      x: {{modality: array, with: {{kind: states, dims: [B, 5, 8]}}}}
      y: {{modality: array, with: {{kind: states, dims: [B, 5, 8]}}}}
    nodes:
      halves: {{uses: toy.split, inputs: x}}
      even: {{call: norm, inputs: y}}
      n: {body}
    outputs: {{o: n, p: even, q: halves.left}}
"""


def wired(body: str) -> Report:
    return checked(TEXT.format(body=body))


@pytest.mark.parametrize(
    ("inputs", "endpoint"),
    [
        ("x", ("x", "states")),
        ("x.states", ("x", "states")),
        ("even", ("even", "states")),
        ("halves.right", ("halves", "right")),
        ("{states: x}", ("x", "states")),
        ("{states: halves.left}", ("halves", "left")),
        ('"x.states"', ("x", "states")),
    ],
)
def test_short_and_long_forms_mean_the_same(inputs: str, endpoint: tuple[str, str]) -> None:
    report = wired(f"{{call: norm, inputs: {inputs}}}")
    assert report.errors == ()
    assert report.tasks["t"].nodes["n"].sources == {"states": endpoint}


@pytest.mark.parametrize(
    "text", ["x.", ".x", ".", "x..states", "x.states.values", "x .states", "x/states", "$x.states", '""']
)
def test_what_is_no_reference(text: str) -> None:
    assert [p.code for p in wired(f"{{call: norm, inputs: {{states: {text}}}}}").errors] == ["C109"]


@pytest.mark.parametrize("text", ["X", "n1", "halves.Left", "tasks.t", "fusion"])
def test_a_reference_to_nothing(text: str) -> None:
    assert [p.code for p in wired(f"{{call: norm, inputs: {{states: {text}}}}}").errors] == ["C207"]


def test_a_reference_to_itself_is_no_suggestion() -> None:
    (problem,) = wired("{call: norm, inputs: {states: m}}").errors
    assert not any("`n`" in text.split(":")[0] for text in problem.helps)


def test_a_many_input_takes_a_list_in_its_order() -> None:
    report = wired("{uses: toy.join, inputs: {parts: [even, x, halves.left, x]}}")
    assert report.errors == ()
    assert report.tasks["t"].nodes["n"].sources == {
        "parts": (("even", "states"), ("x", "states"), ("halves", "left"), ("x", "states"))
    }


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("{uses: toy.join, inputs: {parts: x}}", "C102"),
        ("{uses: toy.join, inputs: x}", "C102"),
        ("{call: norm, inputs: {states: [x]}}", "C102"),
        ("{uses: toy.join, inputs: {parts: []}}", "C208"),
        ("{uses: toy.join, inputs: {parts: [x, halves]}}", "C214"),
        ("{uses: toy.join, inputs: {parts: [x, z]}}", "C207"),
        ("{uses: toy.join, inputs: {parts: [x, 3]}}", "C102"),
        ("{uses: toy.join, inputs: {parts: [x, {a: b}]}}", "C102"),
        ("{uses: toy.join, inputs: {parts: null}}", "C102"),
        ("{uses: toy.join}", "C208"),
    ],
)
def test_lists_where_they_do_not_belong_and_lists_with_faults(body: str, code: str) -> None:
    assert [p.code for p in wired(body).errors] == [code]


def test_the_place_of_a_fault_in_a_list_is_the_item() -> None:
    (problem,) = wired("{uses: toy.join, inputs: {parts: [x, zz]}}").errors
    assert (problem.place.line, problem.place.column, problem.place.end_column) == (13, 47, 49)


def test_every_item_of_a_list_must_fit_the_others() -> None:
    text = TEXT.format(body="{uses: toy.join, inputs: {parts: [x, y]}}")
    (problem,) = checked(text.replace("dims: [B, 5, 8]", "dims: [B, 5, 9]", 1)).errors[:1]
    assert problem.code == "C203"


def test_an_optional_input_may_stay_away_or_come() -> None:
    alone = wired("{call: fusion, inputs: {first: x}}")
    both = wired("{call: fusion, inputs: {first: x, second: even}}")
    assert (alone.errors, both.errors) == ((), ())
    assert "second" not in alone.tasks["t"].nodes["n"].sources
    bare = wired("{call: fusion, inputs: x}")
    assert bare.tasks["t"].nodes["n"].sources == alone.tasks["t"].nodes["n"].sources
    assert [p.code for p in wired("{call: fusion, inputs: {second: x}}").errors] == ["C208"]


def test_an_optional_input_of_another_kind_is_still_wrong() -> None:
    text = TEXT.format(body="{call: fusion, inputs: {first: x, second: y}}")
    report = checked(
        text.replace("y: {modality: array, with: {kind: states, dims: [B, 5, 8]}}",
                     "y: {modality: array, with: {kind: logits, dims: [B, 5, 8]}}")
    )  # fmt: skip
    (problem,) = report.errors
    assert problem.code == "C202"
    assert problem.message.endswith("and so at one more place")


def test_the_hint_of_a_wrong_kind_names_what_would_fit() -> None:
    text = TEXT.format(body="{call: norm, inputs: {states: z}}").replace(
        "    nodes:", "      z: {modality: array, with: {kind: logits, dims: [B, 5, 8]}}\n    nodes:"
    )
    (problem,) = checked(text).errors
    assert problem.code == "C202"
    assert any("x.states" in text for text in problem.helps)


@pytest.mark.parametrize("output", ["n", "n.states", "x", "halves.right"])
def test_an_output_may_name_any_port(output: str) -> None:
    text = TEXT.format(body="{call: norm, inputs: x}").replace("o: n,", f"o: {output}, r: n,")
    assert checked(text).ok


def test_a_task_without_nodes_shows_its_inputs() -> None:
    text = (
        "composer: 1\ntasks:\n  t:\n    inputs: {x: {modality: array, with: {kind: numbers, dims: [B]}}}\n"
        "    outputs: {o: x}\n"
    )
    assert codes(text) == []
