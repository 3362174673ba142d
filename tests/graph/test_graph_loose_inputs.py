"""Inputs of pieces that a use may leave out (`?`), and those that take a list (`*`)."""

from __future__ import annotations

import pytest
from documents import changed, checked

from composer.graph import Report
from composer.plan import plan_task
from composer.problems import Problem

DOCUMENT = """\
composer: 1
modules:
  mixer: {uses: toy.fuse, with: {width: 64}}
pieces:
  mixed:
    inputs: {states: "states[B, N, 64]", aside: "states[B, M, 64]?"}
    nodes:
      both: {call: mixer, inputs: {first: states, second: aside}}
    outputs: {states: both.states}
  outer:
    inputs: {states: "states[B, N, 64]", aside: "states?", more: "states[B, N, 64]*"}
    nodes:
      first: {piece: mixed, inputs: {states: states, aside: aside}}
      joined: {uses: toy.join, inputs: {parts: more}}
      all: {uses: toy.join, inputs: {parts: [first.states, joined.states]}}
    outputs: {states: all.states}
tasks:
  embed:
    inputs:
      question: {modality: array, with: {kind: states, dims: [B, L, 64]}}
      side: {modality: array, with: {kind: states, dims: [B, 7, 64]}}
    nodes:
      bare: {piece: mixed, inputs: {states: question}}
      aided: {piece: mixed, inputs: {states: question, aside: side}}
      one: {piece: outer, inputs: {states: question, more: [bare.states]}}
      two: {piece: outer, inputs: {states: question, aside: side, more: [aided.states, bare.states]}}
      sum: {uses: core.add, inputs: {first: one.states, second: two.states}}
    outputs: {sum: sum.states}
"""


def report(*changes: tuple[str, str]) -> Report:
    return checked(changed(DOCUMENT, *changes))


def only(*changes: tuple[str, str]) -> Problem:
    (problem,) = report(*changes).errors
    return problem


def test_what_a_use_leaves_out_is_not_wired_inside_and_a_list_is_wired_one_by_one() -> None:
    task = report().raise_for_errors().tasks["embed"]
    assert "second" not in task.nodes["bare/both"].sources
    assert task.nodes["aided/both"].sources["second"] == ("side", "states")
    assert "second" not in task.nodes["one/first/both"].sources
    assert task.nodes["two/first/both"].sources["second"] == ("side", "states")
    assert task.nodes["one/joined"].sources["parts"] == (("bare/both", "states"),)
    assert task.nodes["two/joined"].sources["parts"] == (("aided/both", "states"), ("bare/both", "states"))
    assert "two/joined" in [step.name for step in plan_task(task).steps]


def test_each_of_a_list_is_held_against_what_the_piece_declares() -> None:
    problem = only(("more: [aided.states, bare.states]", "more: [aided.states, side]"))
    assert problem.code == "C203"
    assert problem.message == "dimension mismatch on side.states → two.more: length 7 ≠ L"
    assert problem.place.line == DOCUMENT[: DOCUMENT.index("two:")].count("\n") + 1


def test_what_may_be_left_out_is_held_where_it_is_given() -> None:
    found = report(("dims: [B, 7, 64]", "dims: [B, 7, 65]")).errors
    lines = [DOCUMENT[: DOCUMENT.index(name)].count("\n") + 1 for name in ("first: {piece", "aided:")]
    assert [(problem.code, problem.place.line) for problem in found] == [("C203", line) for line in lines]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            ("{first: states, second: aside}", "{first: aside, second: states}"),
            "input `first` of node `both` needs a value, and `aside` may be left out",
        ),
        (
            ("[first.states, joined.states]", "[aside]"),
            "input `parts` of node `all` needs a value, and `aside` may be left out",
        ),
        (
            ("aside: aside", "aside: more"),
            "input `aside` of node `first` takes one value, and `more` is a list",
        ),
        (
            ("outputs: {states: all.states}", "outputs: {states: all.states, aside: aside}"),
            "output `aside` gives one value, and shows `aside`, what may be left out",
        ),
        (
            ("outputs: {states: all.states}", "outputs: {states: all.states, more: more}"),
            "output `more` gives one value, and shows `more`, a list",
        ),
    ],
    ids=["needed", "needed-in-a-list", "list-for-one", "shown", "shown-list"],
)
def test_where_one_value_must_stand_a_loose_input_is_refused(change: tuple[str, str], message: str) -> None:
    problem = only(change)
    assert (problem.code, problem.message) == ("C232", message)


def test_a_list_for_an_input_that_takes_one_and_one_for_a_list_are_refused_at_the_use() -> None:
    assert only(("more: [bare.states]", "more: bare.states")).code == "C102"
    assert only(("states: question, aside: side}", "states: [question], aside: side}")).code == "C102"
