"""Frozen modules and adapters in documents: which adapter a node calls with, in pieces and in children too."""

from __future__ import annotations

from pathlib import Path

import pytest

from composer.graph import Report, check
from composer.graph.low_rank import matches, unmatched, within
from composer.language import Source
from composer.plan import plan_task

DOCUMENT = """\
composer: 1
parameters: {rank: 4}
modules:
  body:
    uses: core.linear
    with: {input_dim: 8, output_dim: 8}
    freeze: [map.bias]
    adapters:
      one: {with: {rank: $rank, targets: [map]}}
      two: {summary: another, with: {alpha: 2, targets: ["*"]}}
pieces:
  seen:
    parameters: {which: ""}
    inputs: {x: "embedding[B, 8]"}
    nodes: {y: {call: body.embedding, adapter: $which, inputs: {embedding: x}}}
    outputs: {y: y}
tasks:
  both:
    inputs: {x: {modality: array, with: {kind: embedding, dims: [B, 8]}}}
    nodes:
      first: {piece: seen, inputs: x, with: {which: one}}
      second: {piece: seen, inputs: first, with: {which: two}}
      third: {piece: seen, inputs: second}
    outputs: {y: third.y}
"""


def checked(text: str) -> Report:
    return check(Source("mine.yaml", text))


def told(report: Report) -> list[tuple[str, int]]:
    return [(problem.code, problem.place.line) for problem in report.problems]


def test_a_piece_calls_with_the_adapter_that_its_use_names() -> None:
    report = checked(DOCUMENT)
    assert told(report) == []
    plan = plan_task(report.tasks["both"])
    assert {step.name: step.callee for step in plan.steps} == {
        "first/y": "body+one.embedding",
        "second/y": "body+two.embedding",
        "third/y": "body.embedding",
    }
    assert plan.modules == ("body+one", "body+two", "body")
    body = report.modules["body"]
    assert body.freeze == ("map.bias",)
    assert {name: (it.config.rank, it.config.alpha) for name, it in body.adapters.items()} == {
        "one": (4, None),
        "two": (8, 2),
    }


def test_a_wrong_adapter_of_a_use_is_told_with_the_line_of_the_use() -> None:
    report = checked(DOCUMENT.replace("which: two", "which: tow"))
    assert [code for code, _ in told(report)] == ["C250"]
    assert [note.place.line for note in report.problems[0].notes] == [22]


def test_no_adapter_is_called_unused_where_a_fault_hides_which_is_meant() -> None:
    assert told(checked(DOCUMENT.replace("which: two", "which: 3"))) == [("C105", 22)]
    spoilt = DOCUMENT.replace(
        "adapter: $which, inputs: {embedding: x}", "adapter: $which, inputs: {embeding: x}"
    )
    assert [code for code, _ in told(checked(spoilt))] == ["C209"]


def test_a_parameter_that_nothing_has_is_told_where_it_is_written() -> None:
    assert ("C103", 15) in told(checked(DOCUMENT.replace("adapter: $which", "adapter: $wich")))


def test_a_child_adds_an_adapter_and_takes_freezing_back(tmp_path: Path) -> None:
    (tmp_path / "parent.yaml").write_text(DOCUMENT)
    child = tmp_path / "child.yaml"
    child.write_text(
        "composer: 1\nextends: parent.yaml\nmodules:\n  body:\n    freeze: null\n    adapters: {two: null}\n"
        "tasks:\n  both:\n    nodes: {second: {with: {which: one}}}\n"
    )
    report = check(child)
    assert told(report) == []
    assert report.modules["body"].freeze is False
    assert list(report.modules["body"].adapters) == ["one"]


@pytest.mark.parametrize(
    ("name", "pattern", "found"),
    [
        ("layers.0.attention.query", "query", True),
        ("layers.0.attention.query", "attention.query", True),
        ("layers.0.attention.query", "layers.*.query", True),
        ("layers.0.attention.query", "layers.0", False),
        ("layers.0.attention.subquery", "query", False),
        ("query", "query", True),
        ("layers.10", "layers.1", False),
    ],
)
def test_a_pattern_is_a_name_or_the_end_of_one(name: str, pattern: str, found: bool) -> None:
    assert matches(name, pattern) is found


def test_what_is_around_a_name_holds_it() -> None:
    assert within("layers.0.query.weight", ["layers.0"])
    assert not within("layers.10.query.weight", ["layers.1"])
    names = ["layers.0.weight", "norm.bias"]
    assert list(unmatched(["norm", "weight", "layers.1", "layers"], names)) == ["layers.1"]
