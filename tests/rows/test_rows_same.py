"""A value that is the same in all rows is read once, whatever reads it, and answers as if it stood in each row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import composer
from composer.execution import Model
from composer.rows import answer_rows

DOCUMENT = """\
composer: 1
name: same
modules:
  vision: {uses: mplug2.vision_encoder, with: {image_size: 16, patch_size: 8, width: 16, heads: 2, layers: 1}}
  text:   {uses: mplug2.text_encoder, with: {hidden: 16, heads: 2, layers: 1}}
tasks:
  ask:
    inputs:
      image: {modality: image, with: {size: 16}, HOW}
      question: {modality: text, with: {tokenizer: bert-uncased, max_tokens: 20}}
    nodes:
      seen: {call: vision.image, inputs: {pixels: image.pixels}}
      NODE
      words: {call: text, inputs: {tokens: question.tokens}}
      all: {uses: core.concat, inputs: {first: words.states, second: FROM.states}}
      vector: {uses: core.pool, inputs: {states: all.states}}
    outputs: {vector: vector}
"""
NODE = "own: {uses: core.per_sample, inputs: {states: seen.states, items: image.items}}"


def loaded(folder: Path, several: bool) -> Model:
    path = folder / "same.yaml"
    text = DOCUMENT.replace("FROM", "own" if several else "seen").replace("NODE", NODE if several else "")
    path.write_text(text.replace(", HOW", ", repeated: {at_most: 3}" if several else ""))
    return composer.load(path, weights="initial")


def picture(seed: int) -> Any:
    return np.random.default_rng(seed).integers(0, 255, (16, 16, 3), dtype=np.uint8)


@pytest.mark.parametrize("given", [0, 1, 2])
def test_it_answers_as_if_it_stood_in_each_row(
    tmp_path: Path, given: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = loaded(tmp_path, given > 0)
    image = [picture(n) for n in range(given)] if given else picture(0)
    from composer_vision import processors

    read: list[int] = []
    for found in vars(processors).values():
        if isinstance(found, type) and "encode" in vars(found):
            real = vars(found)["encode"]

            def encode(self: Any, values: Any, *rest: Any, real: Any = real) -> Any:
                read.append(len(values))
                return real(self, values, *rest)

            monkeypatch.setattr(found, "encode", encode)
    questions = ["a", "what is it", "who", "where is the owl", "b"]
    answers = list(
        answer_rows(
            model, None, [{"question": each} for each in questions], constants={"image": image}, batch_size=2
        )
    )
    assert sum(read) == max(given, 1)
    for question, answer in zip(questions, answers, strict=True):
        alone = model.run(image=image, question=question)["vector"]
        torch.testing.assert_close(answer.outputs["vector"], alone, atol=1e-5, rtol=1e-4)
