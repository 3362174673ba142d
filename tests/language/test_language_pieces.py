"""Pieces in documents that extend others: a node, a default and a whole piece can be replaced."""

from __future__ import annotations

from pathlib import Path

import pytest

from composer.graph import Report, check

PARENT = """\
composer: 1
pieces:
  read:
    parameters: {how: mean}
    inputs: {states: states}
    nodes:
      both: {uses: core.add, inputs: {first: states, second: states}}
      vector: {uses: core.pool, inputs: {states: both.states}, with: {how: $how}}
    outputs: {embedding: vector.embedding}
tasks:
  t:
    inputs: {x: {modality: array, with: {kind: states, dims: [B, N, 4]}}}
    nodes:
      one: {piece: read, inputs: {states: x}}
    outputs: {o: one.embedding}
"""


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("parent.yaml").write_text(PARENT)


def child(text: str) -> Report:
    Path("child.yaml").write_text(f"composer: 1\nextends: parent.yaml\n{text}")
    return check("child.yaml")


def test_a_child_uses_the_pieces_of_its_parent() -> None:
    assert not child(
        "tasks:\n  t:\n    nodes:\n      two: {piece: read, inputs: {states: x}}\n    outputs: {p: two}\n"
    ).errors


def test_one_node_inside_is_replaced_for_all_uses() -> None:
    report = child("pieces:\n  read:\n    nodes:\n      both: {uses: core.concat}\n")
    nodes = report.raise_for_errors().tasks["t"].nodes
    assert nodes["one/both"].module.type.id == "core.concat"
    assert nodes["one/vector"].module.type.id == "core.pool"


def test_a_default_is_overridden_and_keeps_its_type() -> None:
    report = child("pieces: {read: {parameters: {how: max}}}\n")
    assert report.raise_for_errors().tasks["t"].nodes["one/vector"].module.config.model_dump()["how"] == "max"
    (problem,) = child("pieces: {read: {parameters: {how: 3}}}\n").errors
    assert (problem.code, problem.place.file) == ("C105", "child.yaml")


def test_a_piece_is_removed_with_null_and_its_users_are_told_where() -> None:
    (problem,) = child("pieces: {read: null}\n").errors
    assert problem.code == "C227"
    assert "child.yaml:3 removes it" in problem.message
    (wrong,) = child("pieces: {raed: null}\n").errors
    assert (wrong.code, wrong.helps[0]) == ("C108", "did you mean `read`?")


def test_a_parameter_of_a_piece_is_removed_and_its_readers_are_told_where() -> None:
    Path("parent.yaml").write_text(PARENT.replace("piece: read, ", "piece: read, with: {how: max}, "))
    problems = child("pieces: {read: {parameters: {how: null}}}\n").errors
    assert [problem.code for problem in problems] == ["C103", "C103"]
    assert all("child.yaml:3 removes it" in problem.message for problem in problems)


def test_a_fault_of_an_inherited_piece_is_told_in_its_file() -> None:
    Path("parent.yaml").write_text(PARENT.replace("core.pool", "core.pol"))
    (problem,) = child("").errors
    assert (problem.code, problem.place.file) == ("C201", "parent.yaml")


def test_a_library_of_pieces_needs_no_tasks_and_warns_of_none() -> None:
    Path("library.yaml").write_text(PARENT[: PARENT.index("tasks:")])
    assert check("library.yaml").problems == ()


def test_a_piece_sees_its_own_parameters_before_those_of_the_document() -> None:
    report = child("parameters: {how: max}\ntasks: {t: {nodes: {one: {with: {how: $how}}}}}\n")
    assert report.raise_for_errors().tasks["t"].nodes["one/vector"].module.config.model_dump()["how"] == "max"
    assert not report.problems
