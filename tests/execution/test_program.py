"""Programs: the same values as calling the modules by hand, with the same module objects."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from documents import checked
from torch import nn

from composer.execution import INITIAL, Program, build_for_training, build_program, load
from composer.graph import Checked
from composer.plan import plan_task
from composer.types import States, Tokens

TEXT = """\
composer: 1
modules:
  vision: {uses: toy.vision, with: {size: 8, patch: 4, frames: 2}}
  words: {uses: toy.text}
  shared: {uses: toy.shared}
  fusion: {uses: toy.fuse}
  head: {uses: core.linear, with: {output_dim: 3}}
  decoder: {uses: toy.decoder}
  read: {uses: toy.read}
tasks:
  classify:
    inputs:
      clip: {modality: array, with: {kind: pixels, dims: [B, 3, 2, 8, 8]}}
      question: {modality: array, with: {kind: tokens, dims: [B, L]}}
    nodes:
      patches: {call: vision, inputs: clip}
      visual: {call: shared.vision, inputs: patches}
      read: {call: words, inputs: question}
      language: {call: shared.text, inputs: read}
      louder: {call: shared.scaled, inputs: language, with: {factor: 2.5}}
      fused: {call: fusion, inputs: {first: louder, second: visual}}
      alone: {call: fusion, inputs: {first: fused}}
      halves: {uses: toy.split, inputs: alone}
      all: {uses: toy.join, inputs: {parts: [halves.right, fused, halves.left]}}
      vector: {uses: core.select, inputs: all}
      classes: {call: head.scores, inputs: vector}
    outputs: {scores: classes, states: all}
    objective:
      inputs: {want: {modality: array, with: {kind: classes, dims: [B]}}}
      nodes:
        cost: {uses: core.class_loss, inputs: {scores: classes, classes: want}}
      loss: cost
  answer:
    inputs:
      question: {modality: array, with: {kind: tokens, dims: [B, L]}}
    nodes:
      read: {call: words, inputs: question}
      language: {call: shared.text, inputs: read}
      first: {generate: decoder, inputs: {memory: language}, with: {max_tokens: 3}}
      again: {call: read, inputs: first.ids}
      second: {generate: decoder, inputs: {memory: again}, with: {max_tokens: 2}}
      last: {call: read, inputs: second.ids}
      vector: {uses: core.pool, inputs: last}
    outputs: {ids: first.ids, more: second.ids, vector: vector, text: first.text, score: second.score}
"""


@pytest.fixture(scope="module")
def report() -> Checked:
    return checked(TEXT).raise_for_errors()


@pytest.fixture
def built(report: Checked) -> tuple[dict[str, nn.Module], dict[str, Program]]:
    torch.manual_seed(0)
    return build_for_training(report)


def test_what_a_document_freezes_takes_no_gradient() -> None:
    modules, _ = build_for_training(
        checked(TEXT.replace("  head: {", "  head: {freeze: true, ")).raise_for_errors()
    )
    learns = {name for name, module in modules.items() for p in module.parameters() if p.requires_grad}
    assert "head" in modules
    assert learns == set(modules) - {"head"}


def inputs(batch: int, length: int) -> dict[str, Any]:
    torch.manual_seed(1)
    mask = torch.ones(batch, length, dtype=torch.int64)
    mask[0, -1] = 0
    return {
        "clip": {"pixels": torch.randn(batch, 3, 2, 8, 8)},
        "question": {"tokens": Tokens(torch.randint(64, (batch, length)), mask)},
    }


def by_hand(m: dict[str, Any], given: dict[str, Any]) -> tuple[torch.Tensor, States]:
    """The task `classify` as a person would write it."""
    visual = m["shared"].vision(states=m["vision"](pixels=given["clip"]["pixels"]))
    read = m["words"](tokens=given["question"]["tokens"])
    louder = m["shared"].scaled(states=m["shared"].text(states=read), factor=2.5)
    fused = m["fusion"](first=louder, second=visual)
    alone = m["fusion"](first=fused)
    values = 3 * alone.values + fused.values + 2 * alone.values
    return m["head"].scores(embedding=values[:, 0]), States(values, read.mask)


@pytest.mark.parametrize(("batch", "length"), [(1, 2), (3, 5)])
def test_a_program_gives_what_calling_the_modules_gives(
    built: Any, report: Checked, batch: int, length: int
) -> None:
    modules, _ = built
    program = build_program(plan_task(report.tasks["classify"]), modules)
    given = inputs(batch, length)
    slots = program(given)
    scores, states = by_hand(modules, given)
    torch.testing.assert_close(slots[program.plan.outputs["scores"]], scores, rtol=0, atol=0)
    found = slots[program.plan.outputs["states"]]
    torch.testing.assert_close(found.values, states.values)
    assert torch.equal(found.mask, states.mask)


def test_the_loss_and_its_gradients_are_those_of_the_modules(built: Any) -> None:
    modules, programs = built
    given = inputs(4, 3)
    want = torch.tensor([0, 2, 1, 0])
    loss = programs["classify"].loss({**given, "want": {"classes": want}})
    loss.backward()
    found = {n: p.grad.clone() for n, p in modules["shared"].named_parameters()}
    modules["shared"].zero_grad()
    expected = nn.functional.cross_entropy(by_hand(modules, given)[0], want)
    expected.backward()
    torch.testing.assert_close(loss, expected)
    for name, parameter in modules["shared"].named_parameters():
        torch.testing.assert_close(found[name], parameter.grad)
        assert parameter.grad.abs().sum() > 0


def test_two_nodes_and_two_tasks_hold_one_module(report: Checked) -> None:
    model = load(report, weights=INITIAL)
    programs = [model.runner(name).program for name in ("classify", "answer")]
    for name in ("words", "shared"):
        assert programs[0].modules_by_name[name] is programs[1].modules_by_name[name] is model.modules[name]
    count = sum(parameter.numel() for parameter in programs[0].parameters())
    assert count == sum(
        p.numel()
        for n in ("vision", "words", "shared", "fusion", "head")
        for p in model.modules[n].parameters()
    )


def test_tasks_with_the_same_input_share_its_processor() -> None:
    line = "{modality: text, with: {tokenizer: bert-uncased}}"
    text = "composer: 1\nmodules: {words: {uses: toy.text}}\ntasks:\n" + "".join(
        f"  {name}: {{inputs: {{q: {value}}}, nodes: {{n: {{call: words, inputs: q}}}}, outputs: {{o: n}}}}\n"
        for name, value in (("a", line), ("b", line), ("c", line.replace("}}", ", max_tokens: 9}}")))
    )
    model = load(checked(text), weights=INITIAL)
    found = [model.runner(name).inputs.host.processors["q"] for name in ("a", "b", "c")]
    assert found[0] is found[1]
    assert found[0] is not found[2]


def test_only_the_modules_of_the_tasks_that_are_asked_for_are_built(report: Checked) -> None:
    model = load(report, weights=INITIAL, tasks=["answer"])
    assert sorted(model.modules) == ["decoder", "read", "shared", "words"]


def test_stages_after_a_generation_run_in_their_order(report: Checked) -> None:
    torch.manual_seed(0)
    model = load(report, weights=INITIAL)
    tokens = inputs(2, 4)["question"]["tokens"]
    samples = [Tokens(ids.numpy(), mask.numpy()) for ids, mask in zip(*tokens, strict=True)]
    found = model.run("answer", question=samples)
    m: dict[str, Any] = model.modules
    with torch.no_grad():
        language = m["shared"].text(states=m["words"](tokens=tokens))
        first = greedy(m["decoder"], language, 3)
        second = greedy(m["decoder"], m["read"](ids=first), 2)
        vector = m["read"](ids=second).values.mean(1)
    assert torch.equal(found["ids"], first)
    assert torch.equal(found["more"], second)
    torch.testing.assert_close(found["vector"], vector)
    torch.testing.assert_close(found["score"], second.sum(1).float())
    tokenizer = model.runner("answer").generators["first"].tokenizer
    assert found["text"] == [tokenizer.decode(row) for row in first.tolist()]


def greedy(decoder: Any, memory: States, count: int) -> torch.Tensor:
    best = decoder.head(memory.values.mean(1)).argmax(-1)
    ids, last = [], torch.full_like(best, 101)  # the start token
    for _ in range(count):
        last = (best + last) % 32
        ids.append(last)
    return torch.stack(ids, 1)


def test_a_single_sample_comes_back_without_its_batch(report: Checked) -> None:
    model = load(report, weights=INITIAL, tasks=["answer"])
    tokens = inputs(2, 4)["question"]["tokens"]
    samples = [Tokens(ids.numpy(), mask.numpy()) for ids, mask in zip(*tokens, strict=True)]
    together = model.run("answer", question=samples)
    alone = model.run("answer", question=samples[1])
    assert alone["text"] == together["text"][1]
    assert torch.equal(alone["ids"], together["ids"][1])


def test_a_program_keeps_nothing_between_runs(built: Any, report: Checked) -> None:
    modules, _ = built
    program = build_program(plan_task(report.tasks["classify"]), modules)
    first, second = inputs(2, 3), inputs(3, 4)
    before = program(first)
    program(second)
    after = program(first)
    slot = program.plan.outputs["scores"]
    assert torch.equal(before[slot], after[slot])
    assert before is not after


def test_a_program_runs_no_node_twice(built: Any, report: Checked) -> None:
    modules, _ = built
    program = build_program(plan_task(report.tasks["classify"]), modules)
    calls: list[str] = []
    handles = [
        m.register_forward_hook(lambda *_, name=name: calls.append(name)) for name, m in modules.items()
    ]
    program(inputs(1, 2))
    for handle in handles:
        handle.remove()
    assert sorted(calls) == ["fusion", "fusion", "vision", "words"]
