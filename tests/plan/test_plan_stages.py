"""Plans: the order of a task, cut into stages at its `generate` nodes, with a slot for every port."""

from __future__ import annotations

import pytest
from documents import checked

from composer.plan import Plan, plan_objective, plan_task

HEAD = """\
composer: 1
modules:
  words: {uses: toy.text}
  shared: {uses: toy.shared}
  decoder: {uses: toy.decoder}
  read: {uses: toy.read}
tasks:
  t:
    inputs:
      q: {modality: array, with: {kind: tokens, dims: [B, L]}}
      x: {modality: array, with: {kind: states, dims: [B, N, 8]}}
    nodes:
"""


def planned(nodes: str, outputs: str, objective: str = "") -> Plan:
    report = checked(HEAD + nodes + f"    outputs: {outputs}\n" + objective)
    report.raise_for_errors()
    return plan_task(report.tasks["t"])


def stages(plan: Plan) -> list[tuple[str, str, list[str]]]:
    return [(stage.name, stage.kind, [step.name for step in stage.steps]) for stage in plan.stages]


WORDS = "      words: {call: words, inputs: q}\n"
REPLY = "      reply: {generate: decoder, inputs: {memory: words}}\n"


def test_without_generation_there_is_one_stage() -> None:
    plan = planned(WORDS + "      v: {uses: core.pool, inputs: words}\n", "{o: v}")
    assert stages(plan) == [("encode", "encode", ["words", "v"])]
    assert list(plan.inputs) == ["q"]
    assert plan.slots == (("q", "tokens"), ("words", "states"), ("v", "embedding"))
    assert plan.outputs == {"o": 2}


def test_a_task_without_nodes_has_no_stage() -> None:
    report = checked(HEAD.replace("    nodes:\n", "") + "    outputs: {o: x}\n")
    plan = plan_task(report.tasks["t"])
    assert (plan.stages, plan.slots, plan.outputs) == ((), (("x", "states"),), {"o": 0})


def test_what_generation_does_not_wait_for_is_encoded_first() -> None:
    nodes = WORDS + REPLY + "      v: {uses: core.pool, inputs: x}\n"
    assert stages(planned(nodes, "{o: reply.text, v: v}")) == [
        ("encode", "encode", ["words", "v"]),
        ("decode", "decode", ["reply"]),
    ]


def test_what_uses_generated_ports_comes_last() -> None:
    nodes = (
        WORDS
        + REPLY
        + "      again: {call: read, inputs: reply.ids}\n      v: {uses: core.pool, inputs: again}\n"
    )
    assert stages(planned(nodes, "{o: v}")) == [
        ("encode", "encode", ["words"]),
        ("decode", "decode", ["reply"]),
        ("finish", "finish", ["again", "v"]),
    ]


def test_generation_after_generation_has_stages_of_its_own() -> None:
    nodes = (
        WORDS
        + REPLY
        + "      again: {call: read, inputs: reply.ids}\n"
        + "      second: {generate: decoder, inputs: {memory: again}, with: {max_tokens: 2}}\n"
        + "      last: {call: read, inputs: second.ids}\n"
    )
    assert stages(planned(nodes, "{o: last, p: second.text}")) == [
        ("encode", "encode", ["words"]),
        ("decode", "decode", ["reply"]),
        ("encode-2", "encode", ["again"]),
        ("decode-2", "decode", ["second"]),
        ("finish", "finish", ["last"]),
    ]


def test_two_searches_side_by_side() -> None:
    nodes = WORDS + REPLY + "      other: {generate: decoder, inputs: {memory: x}}\n"
    assert stages(planned(nodes, "{o: reply.text, p: other.text}")) == [
        ("encode", "encode", ["words"]),
        ("decode", "decode", ["reply"]),
        ("decode-2", "decode", ["other"]),
    ]


def test_generation_straight_from_an_input_has_no_encode_stage() -> None:
    nodes = "      reply: {generate: decoder, inputs: {memory: x}}\n"
    assert stages(planned(nodes, "{o: reply.text}")) == [("decode", "decode", ["reply"])]


def test_what_no_output_needs_is_left_out() -> None:
    nodes = (
        WORDS + "      idle: {call: shared.text, inputs: words}\n      v: {uses: core.pool, inputs: words}\n"
    )
    plan = planned(nodes, "{o: v}")
    assert [step.name for step in plan.steps] == ["words", "v"]
    assert plan.modules == ("words",)


def test_a_module_that_is_called_twice_is_named_once() -> None:
    nodes = (
        WORDS + "      a: {call: shared.text, inputs: words}\n      b: {call: shared.vision, inputs: a}\n"
        "      c: {call: shared.scaled, inputs: b, with: {factor: 2.0}}\n"
    )
    plan = planned(nodes, "{o: c}")
    assert plan.modules == ("words", "shared")
    assert [step.callee for step in plan.steps] == ["words", "shared.text", "shared.vision", "shared.scaled"]


def test_lists_become_tuples_of_slots() -> None:
    plan = planned(
        "      j: {uses: toy.join, inputs: {parts: [x, h.right, x]}}\n      h: {uses: toy.split, inputs: x}\n",
        "{o: j}",
    )
    assert [(step.name, dict(step.sources), dict(step.targets)) for step in plan.steps] == [
        ("h", {"states": 0}, {"left": 1, "right": 2}),
        ("j", {"parts": (0, 2, 0)}, {"states": 3}),
    ]


OBJECTIVE = """\
    objective:
      inputs: {want: {modality: array, with: {kind: labels, dims: [B, K]}}}
      nodes:
        logits: {call: decoder, inputs: {memory: words, labels: want}}
        cost: {uses: core.token_loss, inputs: {logits: logits, labels: want}}
      loss: cost
"""


def test_an_objective_plans_what_the_loss_needs_and_nothing_else() -> None:
    report = checked(HEAD + WORDS + REPLY + "    outputs: {o: reply.text}\n" + OBJECTIVE)
    report.raise_for_errors()
    plan = plan_objective(report.tasks["t"])
    assert stages(plan) == [("encode", "encode", ["words", "logits", "cost"])]
    assert list(plan.inputs) == ["q", "want"]
    assert plan.loss == plan.slot(("cost", "loss"))
    assert plan.outputs == {}
    answering = plan_task(report.tasks["t"])
    assert [step.name for step in answering.steps] == ["words", "reply"]
    assert (list(answering.inputs), answering.loss) == (["q"], None)


def test_a_task_without_an_objective_cannot_be_trained() -> None:
    report = checked(HEAD + WORDS + REPLY + "    outputs: {o: reply.text}\n")
    with pytest.raises(ValueError, match="no objective"):
        plan_objective(report.tasks["t"])


def test_a_plan_reads_well() -> None:
    lines = str(planned(WORDS + REPLY, "{o: reply.text}")).splitlines()
    assert lines[0] == "task t"
    assert [line.split() for line in lines[1:3]] == [
        ["input", "q", "array", "tokens:", "tokens[B,", "L]"],
        ["stage", "encode"],
    ]
    assert lines[-1].split() == ["outputs", "o", "=", "reply.text"]
    assert "@" not in str(lines)


def test_planning_imports_no_torch() -> None:
    import subprocess
    import sys

    code = "import composer.plan, sys; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
