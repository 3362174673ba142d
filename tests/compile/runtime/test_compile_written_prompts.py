"""Artifacts in which a node reads a prompt with pictures, whose question another node wrote."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import composer_compile
import numpy as np
import pytest
import torch
from compiled import Compiled, compiled
from composer_compile.artifact.manifest import ReadEntry
from composer_compile.parity.records import verify_samples
from composer_compile.plan.planner import plan_document

pytestmark = pytest.mark.slow

DOCUMENT = """\
composer: 1
name: written
modules:
  vision: {uses: mplug2.vision_encoder, with: {image_size: 8, patch_size: 4, width: 16, layers: 1, heads: 2}}
  text: {uses: mplug2.text_encoder, with: {hidden: 16, heads: 2, layers: 1, vocabulary: 35, positions: 40}}
pieces:
  asked:
    inputs: {question: "text[B]", items: "items[B, M]?", seen: "states[P, 5, 16]"}
    nodes:
      prompt:
        modality: prompt
        inputs: {question: question, pictures: items}
        with: {template: "a {pictures} {question}", tokenizer: words.txt, media: {pictures: 5}, max_tokens: 30}
      words: {call: text, inputs: {tokens: prompt.tokens, positions: prompt.positions}}
      mixed: {uses: core.fill, inputs: {text: words, media: seen, places: prompt.pictures}}
    outputs: {states: mixed.states, filled: mixed.filled}
tasks:
  ask:
    inputs:
      pictures: {modality: image, with: {size: 8}, repeated: {at_most: 2}}
      said: {modality: string}
    nodes:
      question: {uses: core.text_template, inputs: {said: said}, with: {template: "{said} there"}}
      seen: {call: vision.image, inputs: {pixels: pictures.pixels}}
      put: {piece: asked, inputs: {question: question.text, items: pictures.items, seen: seen.states}}
    outputs: {question: question.text, filled: put.filled, states: put.states}
    compile: {ranges: {batch: "1..3", pictures.batch: "1..6"}}
"""


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Compiled:
    return compiled(tmp_path_factory.mktemp("written"), "written", DOCUMENT, seed=5)


def picture(seed: int) -> Any:
    return np.random.default_rng(seed).integers(0, 255, (8, 8, 3), dtype=np.uint8)


def same(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    assert ours["question"] == theirs["question"]
    assert ours["filled"].tolist() == theirs["filled"].tolist()
    torch.testing.assert_close(ours["states"].values, theirs["states"].values, atol=1e-4, rtol=1e-4)


def test_it_answers_as_the_live_model(written: Compiled) -> None:
    pictures = [[picture(0), picture(1)], [], [picture(2)]]
    texts = ["is there a red", "a", "is a"]
    with composer_compile.load(written.artifact) as artifact:
        assert any(isinstance(part, ReadEntry) for part in artifact.manifest.tasks["ask"].order)
        together = artifact.run(pictures=pictures, said=texts)
        same(together, written.model.run(pictures=pictures, said=texts))
        assert together["filled"].sum(1).tolist() == [10, 0, 5]
        for own, text in zip(pictures, texts, strict=True):
            one = {"pictures": own, "said": text}
            same(artifact.run(**one), written.model.run(**one))
        session = artifact.session(pictures=pictures[0])
        same(session.ask(said="is a"), written.model.run(pictures=pictures[0], said="is a"))
        (verified,) = verify_samples(artifact)
        assert verified.passed


def test_it_needs_no_file_beside_it(written: Compiled, tmp_path: Path) -> None:
    shutil.copytree(written.artifact, tmp_path / "moved")
    with composer_compile.load(tmp_path / "moved") as artifact:
        one = {"pictures": [picture(3)], "said": "a"}
        same(artifact.run(**one), written.model.run(**one))


def test_it_is_planned(written: Compiled) -> None:
    (task,) = plan_document(written.document).tasks
    stages = {stage.name: [node.name for node in stage.nodes] for stage in task.stages}
    assert "put/prompt" in stages["host"]
    assert {"put/words", "put/mixed"} <= {name for nodes in stages.values() for name in nodes}
