"""A document of one task with much of the language in it; its module types are those of `strided`."""

from __future__ import annotations

from pathlib import Path

from word_list import WORDS

__all__ = ["write_whole"]

DOCUMENT = """\
composer: 1
name: whole
modules:
  vision: {uses: mplug2.vision_encoder, with: {image_size: 8, patch_size: 4, width: 16, layers: 1, heads: 2}}
  text: {uses: mplug2.text_encoder, with: {hidden: 16, heads: 2, layers: 1, vocabulary: 35, positions: 40}}
  hops: {uses: strided.framed, with: {width: 16, hop: 4}}
  decoder:
    uses: mplug2.text_decoder
    with:
      {hidden: 16, heads: 2, layers: 1, vocabulary: 35, positions: 16, tokenizer: words.txt, start: 2, end: 3, pad: 0}
tasks:
  ask:
    inputs:
      pictures: {modality: image, with: {size: 8}, repeated: {at_most: 2}}
      prompt:
        modality: prompt
        with: {template: "a {pictures} {question}", tokenizer: words.txt, media: {pictures: 5}, max_tokens: 30}
      signal: {modality: array, with: {kind: states, dims: [B, S, 16]}}
    nodes:
      seen: {call: vision.image, inputs: {pixels: pictures.pixels}}
      words: {call: text, inputs: {tokens: prompt.tokens, positions: prompt.positions}}
      mixed: {uses: core.fill, inputs: {text: words, media: seen, places: prompt.pictures}}
      heard: {call: hops, inputs: signal}
      memory: {uses: core.concat, inputs: {first: mixed.states, second: heard.states}}
      said:
        generate: decoder
        inputs: {memory: memory.states}
        with: {min_tokens: 2, max_tokens: 6, search: {uses: core.sample, with: {temperature: 1.5, top_k: 20}}}
      asked: {modality: text, inputs: said.text, with: {tokenizer: words.txt, max_tokens: 8}}
      again: {call: text, inputs: asked}
      both: {uses: core.concat, inputs: {first: memory.states, second: again.states}}
      verdict:
        generate: decoder
        inputs: {memory: both.states}
        with: {max_tokens: 4, search: {uses: core.choices, with: {answers: ["red", "is it", "what is red"]}}}
    outputs:
      said: said.text
      ids: said.ids
      heard: heard.states
      verdict: verdict.text
      probabilities: verdict.probabilities
    compile:
      ranges: {batch: "1..3, best 2", pictures.batch: "1..6", prompt.length: "2..30", signal.length: "4..20"}
"""


def write_whole(folder: Path) -> Path:
    """Write the document and its words; their paths are below the folder."""
    (folder / "words.txt").write_text("\n".join(WORDS) + "\n")
    document = folder / "whole.yaml"
    document.write_text(DOCUMENT)
    return document
