"""One unknown name, one problem, however many read it; and what follows from a wrong call is not told."""

from __future__ import annotations

import pytest
from documents import checked, fixed

MANY = 5000
FRAME = """\
composer: 1
parameters: {{way: max}}
modules: {{head: {{uses: core.linear, with: {{input_dim: 8, output_dim: 8}}}}}}
tasks:
  t:
    inputs: {{x: {{modality: array, with: {{kind: states, dims: [B, N, 8]}}}}}}
    nodes:
      start: {{call: head, inputs: x}}
{nodes}
    outputs: {{{outputs}}}
"""
READERS = {
    "C207 node": ("call: head, inputs: statr", "this task has no node or input `statr`"),
    "C207 port": ("call: head, inputs: start.staets", "`start` has no output `staets`"),
    "C204 module": ("call: haed, inputs: start", "there is no module `haed`"),
    "C204 method": (
        "call: head.embeding, inputs: start",
        "module `head` (core.linear) has no method `embeding`",
    ),
    "C201 type": ("uses: core.pol, inputs: start", "there is no module type `core.pol`"),
    "C103 parameter": ("uses: core.pool, inputs: start, with: {how: $wya}", "there is no parameter `wya`"),
}


def document(*nodes: str, outputs: str | None = None) -> str:
    lines = [f"      n{index}: {{{node}}}" for index, node in enumerate(nodes)]
    shown = outputs or ", ".join(f"o{index}: n{index}" for index in range(len(nodes)))
    return FRAME.format(nodes="\n".join(lines), outputs=shown)


@pytest.mark.parametrize("which", READERS)
def test_a_name_that_many_read_is_one_problem_at_the_first_of_them(which: str) -> None:
    node, message = READERS[which]
    (problem,) = checked(document(*[node] * MANY)).errors
    assert problem.code == which.split(maxsplit=1)[0]
    assert problem.message == f"{message} (here and at {MANY - 1:,} more places)"
    assert problem.place.line == 9
    assert [note.place.line for note in problem.notes] == [10, 11, 12]


@pytest.mark.parametrize("which", ["C207 node", "C207 port", "C204 module"])
def test_its_fix_is_that_of_all_readers(which: str) -> None:
    node, _ = READERS[which]
    report = checked(document(node, node, "call: head, inputs: start"))
    assert report.errors[0].message.endswith("(here and at one more place)")
    assert not checked(fixed(report)).errors


def test_an_output_that_reads_the_name_too_is_no_second_problem() -> None:
    text = document("call: head, inputs: started", outputs="a: started, b: n0")
    (problem,) = checked(text).errors
    assert problem.code == "C207"
    assert [note.place.line for note in problem.notes] == [10]


def test_one_name_in_two_tasks_is_two_problems() -> None:
    text = document("call: head, inputs: statr")
    task = text[text.index("  t:\n") :]
    both = checked(text + task.replace("  t:", "  u:")).errors
    assert [problem.code for problem in both] == ["C207", "C207"]


HEAD = "composer: 1\nmodules: {{head: {{uses: core.linear, with: {{input_dim: 8, output_dim: 3}}}}}}\n" + (
    "tasks:\n  t:\n    inputs: {{x: {{modality: array, with: {{kind: embedding, dims: [B, 8]}}}}}}\n"
    "    nodes:\n      s: {{{call}}}\n      p: {{uses: core.softmax, inputs: s.scores}}\n"
    "    outputs: {{o: p, r: s.scores}}\n"
)


@pytest.mark.parametrize(
    ("call", "code"),
    [("call: head, inputs: {states: x.embedding}", "C202"), ("call: head, inputs: {embedding: x}", "C209")],
)
def test_a_call_without_its_method_is_told_once_with_the_method(call: str, code: str) -> None:
    assert not checked(HEAD.format(call="call: head.scores, inputs: {embedding: x}")).problems
    (problem,) = checked(HEAD.format(call=call)).errors
    assert problem.code == code
    assert "call: head.scores" in problem.helps[0] or "call: head.embedding" in problem.helps[0]
    assert any("head.scores" in text for text in problem.helps)


@pytest.mark.parametrize(
    ("node", "code", "hint"),
    [
        ("inputs: start", "C102", "write `call: MODULE` for a declared module (head)"),
        ("call: head", "C208", "write `states: start.states`, or another of x.states"),
        ("call: head, inputs: {states: [start]}", "C102", "write `states: start`"),
        ("call: $way, inputs: start", "C204", "parameters are filled in under `with` alone"),
        ("call: head-embedding, inputs: start", "C204", "did you mean `head.embedding`?"),
        ("uses: core/pool, inputs: start", "C201", "did you mean `core.pool`?"),
        ("uses: core.fusion, inputs: start", "C201", "did you mean `mplug2.fusion`?"),
        ("uses: core.pool, inputs: start, with: {how: way}", "C206", "did you mean `$way`?"),
    ],
)
def test_hints(node: str, code: str, hint: str) -> None:
    (problem,) = checked(document(node)).errors
    assert problem.code == code
    assert any(text.startswith(hint) for text in problem.helps)
