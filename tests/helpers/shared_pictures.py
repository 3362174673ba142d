"""A document of questions about pictures, and a folder of pictures to ask about, for tests of rows that share some."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

__all__ = ["QUESTIONS", "write_shared"]

DOCUMENT = """\
composer: 1
name: shared
modules:
  vision: {uses: mplug2.vision_encoder, with: {image_size: 16, patch_size: 8, width: 16, heads: 2, layers: 1}}
  text:   {uses: mplug2.text_encoder, with: {hidden: 16, heads: 2, layers: 1}}
tasks:
  ask:
    inputs:
      image: {modality: image, with: {size: 16}}
      question: {modality: text, with: {tokenizer: bert-uncased, max_tokens: 20}}
    nodes:
      seen: {call: vision.image, inputs: {pixels: image.pixels}}
      words: {call: text, inputs: {tokens: question.tokens}}
      all: {uses: core.concat, inputs: {first: words.states, second: seen.states}}
      vector: {uses: core.pool, inputs: {states: all.states}}
    outputs: {vector: vector, words: words}
  several:
    inputs:
      image: {modality: image, with: {size: 16}, repeated: {at_most: 3}}
      question: {modality: text, with: {tokenizer: bert-uncased, max_tokens: 20}}
    nodes:
      seen: {call: vision.image, inputs: {pixels: image.pixels}}
      own: {uses: core.per_sample, inputs: {states: seen.states, items: image.items}}
      words: {call: text, inputs: {tokens: question.tokens}}
      all: {uses: core.concat, inputs: {first: words.states, second: own.states}}
      vector: {uses: core.pool, inputs: {states: all.states}}
    outputs: {vector: vector}
"""
QUESTIONS = ["a", "what is it", "who", "where is the owl", "b", "what", "it is a long one, is it not", "who"]


def write_shared(folder: Path) -> Path:
    """Write `shared.yaml` and three pictures, `0.png` to `2.png`."""
    for number in range(3):
        pixels = np.random.default_rng(number).integers(0, 255, (16, 16, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    (folder / "shared.yaml").write_text(DOCUMENT)
    return folder
