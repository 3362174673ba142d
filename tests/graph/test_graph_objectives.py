"""Objectives: a search passes no gradient, and a loss has to come from a module that learns."""

from __future__ import annotations

import pytest

from composer.graph import check
from composer.language import Source
from composer.plugin import load_registry

REGISTRY = load_registry()
DOCUMENT = """\
composer: 1
modules:
  text: {uses: mplug2.text_encoder, with: {hidden: 64, heads: 4, layers: 1}}
  decoder: {uses: mplug2.text_decoder, with: {hidden: 64, heads: 4, layers: 1}}
  head: {uses: core.linear, with: {output_dim: 3}}
tasks:
  t:
    inputs: {q: {modality: text, with: {tokenizer: bert-uncased}}}
    nodes:
      w: {call: text, inputs: {tokens: q.tokens}}
      v: {uses: core.pool, inputs: {states: w.states}}
      s: {call: head.scores, inputs: {embedding: v.embedding}}
      r: {generate: decoder, inputs: {memory: w.states}}
    outputs: {r: r.text, s: s.scores}
    objective:
      inputs:
        target: {modality: text, with: {tokenizer: bert-uncased, max_tokens: 20}}
        truth: {modality: array, with: {kind: classes, dims: [B]}}
        given: {modality: array, with: {kind: scores, dims: [B, 3]}}
        scored: {modality: array, with: {kind: logits, dims: [B, 21, 30522]}}
      nodes:
        NODES
      loss: c.loss
"""
KEPT = "x: {call: decoder, inputs: {memory: w.states, tokens: target.tokens}}\n        "


def problems(nodes: str) -> list[tuple[str, str]]:
    text = DOCUMENT.replace("NODES", nodes)
    found = [p for p in check(Source("doc.yaml", text), registry=REGISTRY).problems if p.severity == "error"]
    return [(p.code, text.split("\n")[p.place.line - 1][p.place.column - 1 :][:9].strip()) for p in found]


@pytest.mark.parametrize(
    ("nodes", "expected"),
    [
        ("c: {uses: core.class_loss, inputs: {scores: s.scores, classes: truth.classes}}", []),
        (
            f"{KEPT}c: {{uses: mplug2.caption_loss, inputs: {{logits: x.logits, captions: target.tokens}}}}",
            [],
        ),
        (
            "c: {uses: core.class_loss, inputs: {scores: given.scores, classes: truth.classes}}",
            [("C224", "c.loss")],
        ),
        (
            "a: {generate: decoder, inputs: {memory: w.states}}\n"
            "        c: {uses: core.class_loss, inputs: {scores: s.scores, classes: truth.classes}}",
            [("C223", "decoder,")],
        ),
        (
            "a: {generate: decoder, inputs: {memory: w.states}}\n"
            "        b: {generate: decoder, inputs: {memory: w.states}}\n"
            "        c: {uses: core.class_loss, inputs: {scores: s.scores, classes: truth.classes}}",
            [("C223", "decoder,"), ("C223", "decoder,")],
        ),
    ],
)
def test_what_an_objective_may_read(nodes: str, expected: list[tuple[str, str]]) -> None:
    assert problems(nodes) == expected


@pytest.mark.parametrize(
    ("nodes", "place"),
    [
        (f"{KEPT}c: {{uses: core.token_loss, inputs: {{logits: x.logits, labels: r.ids}}}}", "r.ids}}"),
    ],
)
def test_a_loss_that_reads_the_ids_of_the_tasks_search(nodes: str, place: str) -> None:
    found = problems(nodes)
    assert found == [("C223", place)] or {code for code, _ in found} == {"C203"}


@pytest.mark.parametrize("loss", ["r.score", "r.text"])
def test_what_is_no_scalar_is_one_problem(loss: str) -> None:
    nodes = "c: {uses: core.class_loss, inputs: {scores: s.scores, classes: truth.classes}}"
    text = DOCUMENT.replace("NODES", nodes).replace("loss: c.loss", f"loss: {loss}")
    report = check(Source("doc.yaml", text), registry=REGISTRY)
    assert [problem.code for problem in report.errors] == ["C219"]
