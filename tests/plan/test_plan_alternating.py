"""Stages alternate as often as a graph needs: no more of them than its longest path, the same for the same graph."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

import pytest
from documents import checked

from composer.graph import check
from composer.plan import plan_task
from composer.plan.staging import cut_stages

Graph = tuple[list[str], dict[str, list[str]], list[str], list[str]]


def drawn(seed: int) -> Graph:
    """A graph of up to twelve steps: tensors `t`, searches `s` and nodes on the host `h`."""
    chance = random.Random(seed)
    names = [f"{chance.choice('ttths')}{number}" for number in range(chance.randint(1, 12))]
    before = {
        name: chance.sample(names[:number], min(number, chance.randint(0, 2)))
        for number, name in enumerate(names)
    }
    return names, before, [n for n in names if n[0] == "s"], [n for n in names if n[0] == "h"]


def waited_for(names: Sequence[str], before: Mapping[str, Sequence[str]]) -> set[str]:
    """Nodes on the host that a tensor step or a search depends on."""
    found: set[str] = set()
    for name in reversed(names):
        if name[0] != "h" or name in found:
            found.update(before[name])
    return {name for name in found if name[0] == "h"}


def programs_needed(names: Sequence[str], before: Mapping[str, Sequence[str]]) -> int:
    """Along the longest path: how often tensors come, with something else between."""
    apart = waited_for(names, before) | {name for name in names if name[0] == "s"}
    deep: dict[str, int] = {}
    for name in names:
        makers = [deep[m] + (name not in apart and m in apart) for m in before[name]]
        deep[name] = max(makers, default=0 if name in apart else 1)
        if name not in apart:
            deep[name] = max(deep[name], 1)
    return max((deep[name] for name in names if name not in apart), default=0)


@pytest.mark.parametrize("seed", range(0, 400, 40))
def test_stages_are_in_order_and_as_few_as_can_be(seed: int) -> None:
    for number in range(seed, seed + 40):
        names, before, searches, host = drawn(number)
        stages = cut_stages(names, before, searches=searches, on_host=host)
        order = [name for _, part in stages for name in part]
        assert sorted(order) == sorted(names)
        place = {name: index for index, name in enumerate(order)}
        assert all(place[maker] < place[name] for name in names for maker in before[name])
        waited = waited_for(names, before)
        for kind, part in stages:
            assert (kind == "decode") == (part[0] in searches)
            assert (kind == "host") == (part[0] in waited)
            assert len(part) == 1 if kind == "decode" else not set(part) & set(searches)
        programs = [kind for kind, _ in stages if kind in ("encode", "finish")]
        assert len(programs) == programs_needed(names, before)
        assert cut_stages(names, before, searches=searches, on_host=host) == stages


CHAIN = """\
composer: 1
modules:
  words: {uses: toy.text}
  decoder: {uses: toy.decoder}
tasks:
  t:
    inputs:
      q: {modality: array, with: {kind: tokens, dims: [B, L]}}
      more: {modality: string}
    nodes:
      seen: {call: words, inputs: q}
      said: {generate: decoder, inputs: {memory: seen}}
      put: {uses: core.text_template, inputs: {said: said.text, more: more}, with: {template: "{said} {more}"}}
      asked: {modality: text, inputs: put, with: {tokenizer: bert-uncased, max_tokens: 9}}
      again: {call: words, inputs: asked}
      answer: {generate: decoder, inputs: {memory: again}}
      verdict: {uses: core.parse_choice, inputs: answer.text, with: {choices: [a, b]}}
    outputs: {answer: answer.text, verdict: verdict.choice}
"""


def test_text_from_the_middle_is_a_stage_between_programs() -> None:
    report = checked(CHAIN)
    report.raise_for_errors()
    assert not report.problems
    plan = plan_task(report.tasks["t"])
    assert [(stage.name, [step.name for step in stage.steps]) for stage in plan.stages] == [
        ("encode", ["seen"]),
        ("decode", ["said"]),
        ("host", ["put", "asked"]),
        ("encode-2", ["again"]),
        ("decode-2", ["answer"]),
        ("finish", ["verdict"]),
    ]
    type_ = plan.task.types["asked", "tokens"]
    assert type_.kind == "tokens"
    assert plan.task.limits(type_.dims[1].symbols[0]) == (1, 9)
    assert type_.dims[0] == plan.task.types["q", "tokens"].dims[0]


def test_text_that_comes_from_outside_waits_for_no_search() -> None:
    text = CHAIN.replace("{said: said.text, more: more}", "{said: more, more: more}")
    report = checked(text)
    assert [problem.code for problem in report.problems] == ["C215", "C215"]
    assert [stage.name for stage in plan_task(report.tasks["t"]).stages] == [
        "host",
        "encode",
        "decode",
        "finish",
    ]


def test_plans_of_shipped_documents_keep_their_stages() -> None:
    report = check("quickstart")
    for task in report.tasks.values():
        assert [stage.name for stage in plan_task(task).stages] == ["encode", "decode"]
