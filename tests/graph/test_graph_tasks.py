"""Cycles, what is never used, running order, objectives, compile ranges and documents without tasks."""

from __future__ import annotations

import random

import networkx as nx
import pytest
from documents import checked, codes

from composer.graph import Range, parse_range

HEAD = """\
composer: 1
modules: {norm: {uses: toy.open, with: {width: 8}}}
tasks:
  t:
    inputs: {x: {modality: array, with: {kind: states, dims: [B, 5, 8]}}}
    nodes:
"""


def task(nodes: dict[str, str], outputs: str = "{o: n0}") -> str:
    lines = "".join(
        f"      {name}: {{uses: toy.join, inputs: {{parts: [{parts}]}}}}\n" for name, parts in nodes.items()
    )
    return (
        HEAD.replace("modules: {norm: {uses: toy.open, with: {width: 8}}}\n", "")
        + lines
        + f"    outputs: {outputs}\n"
    )


@pytest.mark.parametrize("length", [1, 2, 3, 7])
def test_a_cycle_is_shown_whole_from_its_first_node(length: int) -> None:
    nodes = {f"n{i}": f"n{(i + 1) % length}, x" for i in range(length)}
    (problem,) = checked(task(nodes)).problems
    assert problem.code == "C210"
    steps = problem.message.split(": ")[1].split(" → ")
    assert steps[0] == steps[-1] == "n0"
    assert sorted(steps[1:]) == sorted(nodes)


def test_two_cycles_are_two_problems_and_the_rest_is_checked() -> None:
    nodes = {"n0": "n1", "n1": "n0", "n2": "n3", "n3": "n2", "n4": "n0, y"}
    assert codes(task(nodes)) == ["C210", "C210", "C207"]


def test_what_waits_for_a_cycle_is_silent() -> None:
    nodes = {"n0": "n1", "n1": "n1", "n2": "n1, x"}
    assert codes(task(nodes, "{o: n0, p: n2}")) == ["C210"]


def test_a_long_chain_is_no_cycle() -> None:
    nodes = {f"n{i}": f"n{i + 1}" for i in range(3000)} | {"n3000": "x"}
    assert codes(task(nodes)) == []


@pytest.mark.parametrize("seed", range(5))
def test_the_running_order_respects_every_edge_and_else_the_file(seed: int) -> None:
    chance = random.Random(seed)
    names = [f"n{i}" for i in range(40)]
    chance.shuffle(names)
    sources = {name: chance.sample(names[:i], min(i, 2)) or ["x"] for i, name in enumerate(names)}
    written = sorted(names, key=lambda name: int(name[1:]))
    report = checked(
        task({n: ", ".join(sources[n]) for n in written}, "{" + ", ".join(f"o{n}: {n}" for n in names) + "}")
    )
    found = report.tasks["t"]
    assert report.problems == ()
    position = {name: index for index, name in enumerate(found.order)}
    assert all(position[s] < position[n] for n in names for s in sources[n] if s != "x")
    expected = nx.lexicographical_topological_sort(found.graph, key=lambda n: -1 if n == "x" else int(n[1:]))
    assert found.order == [name for name in expected if name != "x"]


def test_what_nothing_needs_is_a_warning_at_its_name() -> None:
    text = HEAD + (
        "      n: {call: norm, inputs: x}\n      lost: {call: norm, inputs: n}\n"
        "      more: {call: norm, inputs: lost}\n"
        "    outputs: {o: n}\n"
    )
    report = checked(
        text.replace(
            "    inputs: {x", "    inputs: {idle: {modality: array, with: {kind: numbers, dims: [B]}}, x"
        )
    )
    assert [(p.code, p.place.line, p.place.column) for p in report.problems] == [
        ("C216", 5, 14),
        ("C215", 8, 7),
        ("C215", 9, 7),
    ]
    assert report.ok


def test_a_module_that_nothing_calls_is_a_warning() -> None:
    text = HEAD.replace("modules: {", "modules: {idle: {uses: toy.open}, ") + (
        "      n: {call: norm, inputs: x}\n    outputs: {o: n}\n"
    )
    report = checked(text)
    assert [(p.code, p.severity, p.place.column) for p in report.problems] == [("C217", "warning", 11)]


@pytest.mark.parametrize(
    "body", ["{call: nrm, inputs: x}", "{call: norm, inputs: y}", "{cal: norm, inputs: x}", "{call: norm}"]
)
def test_nothing_is_called_unused_beside_an_error_that_may_be_the_reason(body: str) -> None:
    text = HEAD.replace("modules: {", "modules: {first: {uses: toy.open, with: {width: 8}}, ") + (
        f"      n: {body}\n      m: {{call: first, inputs: x}}\n    outputs: {{o: n}}\n"
    )
    assert all(p.severity == "error" for p in checked(text).problems)


OBJECTIVE = (
    HEAD
    + """\
      n: {call: norm, inputs: x}
    outputs: {o: n}
    objective:
      inputs: {want: {modality: array, with: {kind: classes, dims: [B]}}}
      nodes:
        v: {uses: core.pool, inputs: n}
        k: {call: head.scores, inputs: v}
        cost: {uses: core.class_loss, inputs: {scores: k, classes: want}}
      loss: cost
"""
)
OBJECTIVE = OBJECTIVE.replace("modules: {", "modules: {head: {uses: core.linear, with: {output_dim: 3}}, ")


def test_an_objective_uses_the_tasks_nodes_and_its_own() -> None:
    report = checked(OBJECTIVE)
    assert report.problems == ()
    found = report.tasks["t"]
    assert found.loss == ("cost", "loss")
    assert {name for name, node in found.nodes.items() if node.training} == {"v", "k", "cost"}
    assert {name for name, item in found.inputs.items() if item.training} == {"want"}


@pytest.mark.parametrize(
    ("before", "after", "code"),
    [
        ("outputs: {o: n}", "outputs: {o: v}", "C213"),
        ("outputs: {o: n}", "outputs: {o: want}", "C213"),
        ("n: {call: norm, inputs: x}", "n: {uses: toy.join, inputs: {parts: [x, v]}}", "C207"),
        ("loss: cost", "loss: k", "C219"),
        ("loss: cost", "loss: n", "C219"),
        ("loss: cost", "loss: costs", "C219"),
        ("loss: cost", "loss: cost.los", "C219"),
        ("        v: {", "        n: {", "C109"),
        ("inputs: {want:", "inputs: {x:", "C109"),
    ],
)
def test_answering_sees_nothing_of_the_objective(before: str, after: str, code: str) -> None:
    assert OBJECTIVE.count(before) == 1
    assert [p.code for p in checked(OBJECTIVE.replace(before, after)).errors] == [code]


def test_a_node_that_only_the_loss_needs_is_used() -> None:
    text = OBJECTIVE.replace("    outputs", "      m: {call: norm, inputs: n}\n    outputs").replace(
        "inputs: n}\n        k", "inputs: m}\n        k"
    )
    assert checked(text).problems == ()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1..32, best 8", Range(1, 32, 8)),
        ("4..4", Range(4, 4, 4)),
        (" 1 .. 9 ", Range(1, 9, 9)),
        ("2..3,best 2", Range(2, 3, 2)),
    ],
)
def test_a_range(text: str, expected: Range) -> None:
    assert parse_range(text) == expected
    assert parse_range(str(expected)) == expected


@pytest.mark.parametrize(
    "text", ["", "8", "0..4", "5..4", "1..8, best 9", "2..8, best 1", "1-8", "1..8 best 4", "a..b", "1...8"]
)
def test_what_is_no_range(text: str) -> None:
    with pytest.raises(ValueError, match="range"):
        parse_range(text)


@pytest.mark.parametrize(
    ("ranges", "expected"),
    [
        ("{batch: 1..8}", []),
        ('{batch: "1..8, best 2", q.length: 1..50}', []),
        ("{length: 1..50}", ["C111"]),
        ("{q.width: 1..50}", ["C111"]),
        ("{x.length: 1..50}", ["C111"]),
        ("{q.length: 1..}", ["C111"]),
        ("{q.batch: 1..4}", ["C111"]),
        ('{q.length: "1..512"}', []),
        ('{q.length: "1..513"}', ["C111"]),  # more than the module takes
    ],
)
def test_compile_ranges_are_held_against_the_free_dimensions(ranges: str, expected: list[str]) -> None:
    text = HEAD.replace(
        "    inputs: {x", "    inputs: {q: {modality: array, with: {kind: tokens, dims: [B, L]}}, x"
    ) + (
        "      n: {call: norm, inputs: x}\n      r: {call: read, inputs: q}\n    outputs: {o: n, p: r}\n"
        f"    compile: {{ranges: {ranges}}}\n"
    )
    text = text.replace("modules: {", "modules: {read: {uses: toy.text}, ")
    assert codes(text) == expected


def test_an_input_with_samples_of_its_own_has_a_range_of_its_own() -> None:
    """As the answers of a ranking, which keeps two of them here."""
    text = (
        "composer: 1\n"
        "modules: {d: {uses: mplug2.text_decoder, with: {hidden: 4, heads: 1, layers: 1}}}\n"
        "tasks:\n"
        "  rank:\n"
        "    inputs:\n"
        "      memory: {modality: array, with: {kind: states, dims: [B, N, 4]}}\n"
        "      answers: {modality: array, with: {kind: tokens, dims: [K, L]}}\n"
        "    nodes:\n"
        "      ranking: {call: d.rank, inputs: {memory: memory, candidates: answers}, with: {top: 2}}\n"
        "    outputs: {best: ranking.ids}\n"
        "    compile: {ranges: {batch: 1..4, answers.batch: LOW..8}}\n"
    )
    assert codes(text.replace("LOW", "2")) == []
    assert codes(text.replace("LOW", "1")) == ["C111"]
    assert codes(text.replace("answers.batch", "memory.batch")) == ["C111"]


def test_a_document_without_tasks() -> None:
    assert codes("composer: 1\nname: empty\n") == ["C110"]
    assert codes("composer: 1\nmodules: {a: {uses: toy.open}}\n") == []


def test_the_report_reads_well() -> None:
    assert str(checked(OBJECTIVE)) == "document: 1 tasks, 2 modules, no problems"
    broken = checked(OBJECTIVE.replace("loss: cost", "loss: costs"))
    assert str(broken).startswith("document.yaml:15:13: error[C219]: ")
