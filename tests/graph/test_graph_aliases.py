"""What is anchored and used several times is wrong once; what only looks alike stays apart."""

from __future__ import annotations

import pytest
from documents import checked

from composer.graph import check
from composer.language import Source
from composer.plugin import load_registry
from composer.problems.render import render

TASK = """\
composer: 1
modules:
  words: {uses: toy.text, with: {width: 8}}
  fusion: {uses: toy.fuse, with: {width: 8}}
tasks:
  t:
    inputs: {q: {modality: array, with: {kind: tokens, dims: [B, L]}}}
    nodes:
      read: {call: words, inputs: q}
      a: &node {NODE}
      b: *node
      c: *node
      d: *node
    outputs: {a: a.states, b: b.states, c: c.states, d: d.states}
"""


@pytest.mark.parametrize(
    ("node", "code"),
    [
        ("call: wodrs, inputs: q", "C204"),
        ("call: words, inputs: qq", "C207"),
        ("call: words, inputs: {tokes: q}", "C209"),
        ("call: words, inputs: {}", "C208"),
        ("call: words", "C208"),
        ("call: words, inputs: read", "C202"),
        ("call: words, inputs: q.states", "C207"),
        ("call: words, input: q", "C101"),
        ("inputs: q", "C102"),
        ("call: words, inputs: [q]", "C102"),
        ("call: words, inputs: q, with: {a: 1}", "C101"),
        ("call: fusion, inputs: {first: read, second: q}", "C202"),
    ],
)
def test_a_fault_of_an_anchored_node_is_one_problem(node: str, code: str) -> None:
    text = TASK.replace("NODE", node)
    report = checked(text)
    assert [problem.code for problem in report.errors] == [code]
    assert report.errors[0].place.line == 10


def test_anchored_inputs_of_four_nodes() -> None:
    text = TASK.replace("a: &node {NODE}", "a: {call: words, inputs: &in {tokens: raed.ids}}")
    for name in "bcd":
        text = text.replace(f"{name}: *node", f"{name}: {{call: words, inputs: *in}}")
    (problem,) = checked(text).errors
    assert problem.code == "C207"


def test_two_faults_of_an_anchored_node_are_two_problems() -> None:
    assert [p.code for p in checked(TASK.replace("NODE", "call: fusion, inputs: {}")).errors] == ["C208"]
    text = TASK.replace("NODE", "call: fusion, inputs: {first: x, second: y}")
    assert [p.code for p in checked(text).errors] == ["C207", "C207"]


def test_nodes_that_are_written_out_stay_apart() -> None:
    text = TASK.replace("&node {NODE}", "{call: words, inputs: {x: q}}").replace(
        "*node", "{call: words, inputs: {x: q}}"
    )
    assert len(checked(text).errors) == 4


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("toy.text", "{0}"),
        ("call: words", "call: {0}"),
        ("inputs: q", "inputs: {0}"),
        ("width: 8", "width: ${0}"),
        ("width: 8", 'width: "{0}"'),
        ("kind: tokens", "kind: {0}"),
        ("composer: 1", "composer: {0}"),
        ("composer: 1", "composer: 1\nextends: {0}"),
        ("a: a.states", "a: {0}"),
    ],
)
def test_a_huge_value_is_cut_in_messages(right: str, wrong: str) -> None:
    text = TASK.replace("&node {NODE}", "{call: words, inputs: q}").replace(
        "*node", "{call: words, inputs: q}"
    )
    assert right in text
    text = text.replace(right, wrong.replace("{0}", "ab" * 500_000), 1)
    report = checked(text)
    assert report.errors
    for format in ("text", "json", "sarif", "github"):
        assert len(render(report.problems, report.sources, format)) < 20_000


def test_a_name_among_many_lists_the_nearest() -> None:
    nodes = "".join(f"      node{number}: {{call: text, inputs: q}}\n" for number in range(2000))
    text = (
        "composer: 1\nmodules: {text: {uses: mplug2.text_encoder, with: {hidden: 64, heads: 4, layers: 1}}}\n"
        "tasks:\n  t:\n    inputs: {q: {modality: text, with: {tokenizer: bert-uncased}}}\n"
        f"    nodes:\n{nodes}      last: {{uses: core.pool, inputs: nodee77}}\n    outputs: {{last: last}}\n"
    )
    (problem,) = check(Source("d.yaml", text), registry=load_registry()).errors
    assert "node77" in problem.helps[-1]
    assert "more" in problem.helps[-1]
    assert max(map(len, problem.helps)) < 200
