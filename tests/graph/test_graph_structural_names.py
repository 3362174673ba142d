"""Names that are also keys of the language: where something stands is told by position, never by what it is called."""

from __future__ import annotations

import pytest

from composer.graph import check
from composer.language import Source, role_of
from composer.plan import plan_task

WORDS = (
    "nodes",
    "inputs",
    "outputs",
    "objective",
    "with",
    "call",
    "uses",
    "tasks",
    "modules",
    "compile",
    "forward",
)
DOCUMENT = """
composer: 1
modules:
  MODULE: {uses: core.linear, with: {input_dim: 8, output_dim: 4}}
tasks:
  TASK:
    inputs:
      INPUT: {modality: array, with: {kind: states, dims: [B, N, 8]}}
    nodes:
      NODE: {call: MODULE, inputs: INPUT}
    outputs:
      OUTPUT: REFERENCE
"""
NAMES = {"MODULE": "m", "TASK": "t", "INPUT": "a", "NODE": "n", "OUTPUT": "o", "REFERENCE": "n"}


def document(**names):
    text = DOCUMENT
    for place, name in {**NAMES, **names}.items():
        text = text.replace(place, name)
    return text


def found(text):
    return [(p.code, p.place.line) for p in check(Source("d.yaml", text)).problems if p.severity == "error"]


def ok(text):
    report = check(Source("d.yaml", text))
    assert report.ok, report
    return [str(plan_task(task)) for task in report.tasks.values()]


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("place", ["MODULE", "TASK", "INPUT", "NODE", "OUTPUT"])
def test_a_key_of_the_language_can_be_a_name(place, word):
    reference = word if place == "NODE" else "n"
    text = document(**{place: word}, REFERENCE=reference)
    assert ok(text)


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("place", ["MODULE", "TASK", "INPUT", "NODE", "OUTPUT"])
def test_a_wrong_reference_beside_such_a_name_is_the_one_problem(place, word):
    text = document(**{place: word}, REFERENCE="nowhere")
    line = next(n for n, row in enumerate(text.splitlines(), 1) if "nowhere" in row)
    assert found(text) == [("C213", line)]


@pytest.mark.parametrize("word", WORDS)
def test_a_node_of_such_a_name_that_reads_nothing_is_told_where_it_reads(word):
    text = document(NODE=word, REFERENCE=word).replace("inputs: a}", "inputs: nowhere}")
    assert found(text) == [("C207", 10)]


@pytest.mark.parametrize("name", ['""', "a.b", '" "', "1", "true", '"a b"', "~"])
@pytest.mark.parametrize("place", ["MODULE", "TASK", "INPUT", "NODE", "OUTPUT"])
def test_what_is_no_name_is_told_at_the_name(place, name):
    text = document(**{place: name})
    codes = {code for code, _ in found(text)}
    assert codes & {"C109", "C004", "C102"}, codes


@pytest.mark.parametrize(
    ("path", "role"),
    [
        (("modules", "nodes"), "module"),
        (("tasks", "nodes"), "task"),
        (("tasks", "t", "nodes"), None),
        (("tasks", "t", "nodes", "inputs"), "node"),
        (("tasks", "t", "nodes", "n", "inputs"), None),
        (("tasks", "t", "nodes", "n", "inputs", "p"), None),
        (("tasks", "t", "outputs", "nodes"), "output"),
        (("tasks", "t", "objective", "inputs", "nodes"), "input"),
        (("tasks", "inputs", "outputs", "p"), "output"),
        (("tasks", "objective", "nodes", "p"), "node"),
    ],
)
def test_what_a_path_leads_to_is_told_by_position(path, role):
    assert role_of(path) == role
