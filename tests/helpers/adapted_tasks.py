"""A document of three tasks over one text encoder and one decoder: two use adapters of them, one uses none."""

from __future__ import annotations

from pathlib import Path

from word_list import WORDS

__all__ = ["write_adapted"]

MODULES = """\
composer: 1
name: adapted
modules:
  text:
    uses: mplug2.text_encoder
    with: {hidden: 16, heads: 2, layers: 1, vocabulary: 35, positions: 9}
    freeze: true
    adapters:
      short: {with: {rank: 2, alpha: 4, targets: [query, value]}}
      long: {with: {rank: 3, targets: [embeddings.words, "feed_forward.*"]}}
  decoder:
    uses: mplug2.text_decoder
    with: {hidden: 16, heads: 2, layers: 1, vocabulary: 35, positions: 16, tokenizer: words.txt, start: 2, end: 3,
      pad: 0}
    freeze: true
    adapters:
      short: {with: {rank: 2, targets: ["*"]}}
tasks:
"""
TASK = """\
  NAME:
    inputs:
      question: {modality: text, with: {tokenizer: words.txt, separator: false, max_tokens: 8}}
    nodes:
      words: {call: text, READ inputs: {tokens: question.tokens}}
      answer: {generate: decoder, WRITE inputs: {memory: words.states}, with: {max_tokens: 4}}
    outputs: {answer: answer.text, words: words.states}
    compile: {ranges: {batch: "1..2", question.length: "1..8, best 5"}}
"""
TASKS = {
    "brief": ("adapter: short,", "adapter: short,"),
    "wordy": ("adapter: long,", ""),
    "plain": ("", ""),
}
"""Task to the adapters that its nodes choose."""


def write_adapted(folder: Path) -> Path:
    """Write the document and its words; their paths are below the folder."""
    tasks = (
        TASK.replace("NAME", name).replace("READ", read).replace("WRITE", write)
        for name, (read, write) in TASKS.items()
    )
    (folder / "words.txt").write_text("\n".join(WORDS) + "\n")
    document = folder / "adapted.yaml"
    document.write_text(MODULES + "".join(tasks))
    return document
