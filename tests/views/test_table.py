"""`composer show`: the tables."""

from __future__ import annotations

from collections.abc import Callable

from composer.graph import Checked
from composer.views import document_text, task_text

Check = Callable[..., Checked]


def test_a_task_shows_every_port_type(small: Checked) -> None:
    assert task_text(small.tasks["video-vector"]).splitlines() == [
        "task video-vector",
        "            calls             takes             gives",
        "  inputs",
        "    video   video                               pixels: pixels[B, 3, 4, 32, 32]",
        "  nodes",
        "    frames  vision            video.pixels      states: states[B, 17, 64]",
        "    visual  universal.vision  frames.states     states: states[B, 17, 64]",
        "    scaled  scale             visual.states     states: states[B, 17, 64]",
        "    vector  core.pool         scaled.states     embedding: embedding[B, 64]",
        "  outputs",
        "    vector                    vector.embedding  embedding[B, 64]",
    ]


def test_a_document_lists_modules_with_their_callers(small: Checked) -> None:
    text = document_text(small)
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert lines[:2] == ["small", "A little of everything."]
    assert "vision demo.encoder width: 64, frames: 4 video-qa, video-vector" in lines
    assert "universal demo.shared width: 64 video-qa (2 calls), video-vector" in lines
    assert "scale core.layer_norm dim: 64 video-vector" in lines  # the checker found it
    assert (
        "fused fusion text: language.states, vision: visual.states text: states[B, L, 64], vision: states[B, 17, 64]"
        in lines
    )
    order = [text.index(f"\n    {name} ") for name in ("frames", "visual", "fused", "memory", "answer")]
    assert order == sorted(order)


def test_a_second_free_dimension_of_one_name_says_whose_it_is(checked: Check) -> None:
    report = checked("""\
composer: 1
name: match
modules: {text: {uses: demo.words, with: {width: 8}}}
tasks:
  match:
    inputs:
      question: {modality: text, with: {tokenizer: bert-uncased}}
      answers: {modality: text, with: {tokenizer: bert-uncased}}
    nodes:
      asked: {call: text, inputs: question.tokens}
      given: {call: text, inputs: answers.tokens}
      left: {uses: core.pool, inputs: asked.states}
      right: {uses: core.pool, inputs: given.states}
      found: {uses: core.similarity, inputs: {queries: left.embedding, candidates: right.embedding}}
    outputs: {scores: found.scores}
""")
    text = task_text(report.tasks["match"])
    assert "scores[B, answers.B]" in text
    assert "states[answers.B, answers.L, 8]" in text


def test_what_only_training_sees_is_marked(checked: Check) -> None:
    report = checked("""\
composer: 1
name: trained
modules: {classes: {uses: core.linear, with: {input_dim: 8, output_dim: 3}}}
tasks:
  sort:
    inputs: {vector: {modality: array, with: {kind: embedding, dims: [B, 8]}}}
    nodes: {scored: {call: classes.scores, inputs: vector.embedding}}
    outputs: {scores: scored.scores}
    objective:
      inputs: {truth: {modality: array, with: {kind: classes, dims: [B]}}}
      nodes: {wrong: {uses: core.class_loss, inputs: {scores: scored.scores, classes: truth.classes}}}
      loss: wrong.loss
""")
    lines = [" ".join(line.split()) for line in task_text(report.tasks["sort"]).splitlines()]
    assert "truth (objective) array classes: classes[B]" in lines
    assert "loss (objective) wrong.loss scalar" in lines
