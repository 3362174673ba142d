"""Widths that a module's weights fix: left open, told from the calls, and the same for all of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from documents import checked, toy_registry

from composer.graph import Report, check
from composer.types import Dim

HEAD = """\
composer: 1
modules:
  norm: {uses: core.layer_norm}
  map: {uses: core.linear, with: {output_dim: 4}}
tasks:
"""


def task(name: str, width: str, node: str = "{call: norm, inputs: x}") -> str:
    return (
        f"  {name}:\n    inputs: {{x: {{modality: array, with: {{kind: states, dims: [B, N, {width}]}}}}}}\n"
        f"    nodes:\n      n: {node}\n    outputs: {{o: n}}\n"
    )


def both(first: str, second: str) -> Report:
    return checked(HEAD + task("a", first) + task("b", second, "{call: map, inputs: x}"))


def test_a_width_is_told_from_the_call() -> None:
    report = both("8", "6")
    assert report.problems == ()
    assert report.modules["norm"].config.model_dump()["dim"] == 8
    assert report.modules["map"].config.model_dump()["input_dim"] == 6
    assert report.tasks["b"].types["n", "states"].dims[2] == Dim(4)


def test_a_width_passes_from_one_module_to_the_next() -> None:
    text = HEAD + task("a", "8", "{call: map, inputs: m}").replace(
        "    outputs", "      m: {call: norm, inputs: x}\n    outputs"
    )
    report = checked(text)
    assert report.problems == ()
    assert report.modules["map"].config.model_dump()["input_dim"] == 8


def test_two_calls_at_one_width_in_two_tasks_agree() -> None:
    assert checked(HEAD + task("a", "8") + task("b", "8") + task("c", "2", "{call: map, inputs: x}")).ok


@pytest.mark.parametrize(("first", "second"), [("8", "6"), ("6", "8")])
def test_two_calls_at_two_widths_are_one_problem_that_names_the_first_call(first: str, second: str) -> None:
    text = HEAD + task("a", first) + task("b", second) + task("c", "2", "{call: map, inputs: x}")
    (problem,) = checked(text).problems
    assert (problem.code, problem.place.line) == ("C211", 14)
    assert problem.notes[0].place.line == 9
    assert first in problem.message
    assert second in problem.message


def test_the_second_width_may_come_from_another_file(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(HEAD + task("a", "8") + task("c", "2", "{call: map, inputs: x}"))
    (tmp_path / "b.yaml").write_text("composer: 1\nextends: a.yaml\ntasks:\n" + task("b", "6"))
    (problem,) = check(tmp_path / "b.yaml", registry=toy_registry()).problems
    assert (problem.code, Path(problem.place.file).name) == ("C211", "b.yaml")
    assert Path(problem.notes[0].place.file).name == "a.yaml"


@pytest.mark.parametrize("order", [("W", "8"), ("8", "W")])
def test_a_width_that_the_caller_brings_cannot_be_a_weight(order: tuple[str, str]) -> None:
    report = checked(
        HEAD + task("a", order[0]) + task("b", order[1]) + task("c", "2", "{call: map, inputs: x}")
    )
    (problem,) = report.problems
    assert problem.code in ("C203", "C211")
    assert "W" in problem.message


def test_a_width_that_no_sound_call_tells_is_not_reported_beside_the_fault() -> None:
    text = HEAD + task("a", "8", "{call: norm, inputs: y}") + task("b", "8", "{call: map, inputs: x}")
    assert [p.code for p in checked(text).problems] == ["C207"]


def test_what_one_method_fixes_holds_for_the_others() -> None:
    text = (
        HEAD.replace("norm: {uses: core.layer_norm}", "norm: {uses: core.layer_norm, with: {dim: 8}}")
        + """\
  a:
    inputs: {x: {modality: array, with: {kind: states, dims: [B, N, 8]}}}
    nodes:
      n: {call: norm, inputs: x}
      m: {call: map, inputs: n}
      v: {uses: core.pool, inputs: m}
      w: {call: map.embedding, inputs: v}
    outputs: {o: w}
"""
    )
    (problem,) = checked(text).problems
    assert (problem.code, problem.place.line) == ("C211", 12)


def test_symbols_of_one_task_mean_nothing_in_the_next() -> None:
    text = "composer: 1\ntasks:\n" + "".join(
        f"""\
  {name}:
    inputs:
      x: {{modality: array, with: {{kind: embedding, dims: [K, {width}]}}}}
      y: {{modality: array, with: {{kind: embedding, dims: [K, {width}]}}}}
    nodes: {{n: {{uses: core.similarity, inputs: {{queries: x, candidates: y}}}}}}
    outputs: {{o: n}}
"""
        for name, width in (("a", 8), ("b", 6), ("c", 8))
    )
    assert checked(text).problems == ()


@pytest.mark.parametrize(
    ("length", "expected"), [("N", []), ("M", ["C203"]), ("N + 1", ["C203"]), ("5", ["C203"])]
)
def test_one_symbol_is_one_size_and_two_are_two(length: str, expected: list[str]) -> None:
    text = f"""\
composer: 1
tasks:
  t:
    inputs:
      x: {{modality: array, with: {{kind: states, dims: [B, N, 8]}}}}
      y: {{modality: array, with: {{kind: states, dims: [B, {length}, 8]}}}}
    nodes:
      n: {{uses: core.add, inputs: {{first: x, second: y}}}}
      v: {{uses: core.pool, inputs: n}}
    outputs: {{o: v}}
"""
    report = checked(text)
    assert [problem.code for problem in report.problems] == expected
    assert "<task>" not in str([(p.message, p.label, p.notes, p.helps) for p in report.problems])


def test_a_position_beyond_a_known_length() -> None:
    for position, expected in ((7, []), (8, ["C203"])):
        text = (
            "composer: 1\ntasks:\n  t:\n"
            "    inputs: {x: {modality: array, with: {kind: states, dims: [B, 8, 4]}}}\n"
            f"    nodes: {{n: {{uses: core.select, inputs: x, with: {{position: {position}}}}}}}\n"
            "    outputs: {o: n}\n"
        )
        assert [p.code for p in checked(text).problems] == expected
