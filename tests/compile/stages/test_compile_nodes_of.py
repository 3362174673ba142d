"""Modules inside a program are told by the nodes and inputs that they run for, by their paths."""

from __future__ import annotations

import pytest
import torch
from composer_compile.stages.modules import StageModule

from composer.execution.program import build_program
from composer.graph import check
from composer.language import Source
from composer.plan import plan_task

DOCUMENT = """\
composer: 1
tasks:
  two:
    inputs:
      words: {modality: text, with: {tokenizer: bert-uncased}}
      left: {modality: image, with: {size: 8}}
      items: {modality: image, with: {size: 8}}
    outputs: {ids: words.tokens, left: left.pixels, items: items.pixels}
"""


@pytest.mark.parametrize(
    ("path", "nodes"),
    [
        ("program.prepare.0", ("left",)),
        ("stage.program.prepare.1.inner", ("items",)),
        ("elsewhere.0", ()),
    ],
)
def test_what_prepares_an_input_is_told_by_its_name(path: str, nodes: tuple[str, ...]) -> None:
    checked = check(Source("two.yaml", DOCUMENT)).raise_for_errors()
    program = build_program(plan_task(checked.tasks["two"]), {})
    assert program.prepared == ("left", "items")
    stage = StageModule(
        name="encode", program=program, dtype=torch.float32, templates={}, wanted=(), starts={}
    )
    assert stage.nodes_of(path) == nodes
