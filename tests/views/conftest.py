"""Documents to look at, checked with the installed plugins and with the modules of `views_demo`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import views_demo

from composer.graph import Report, check
from composer.language import Source
from composer.plugin import Registry, load_registry

DOCUMENT = """\
composer: 1
name: small
summary: A little of everything.

parameters:
  width: 64
  frames: 4

modules:
  vision:    {uses: demo.encoder, with: {width: $width, frames: $frames}}
  text:      {uses: demo.words, with: {width: $width}}
  universal: {uses: demo.shared, with: {width: $width}, summary: One <set> & two ways.}
  fusion:    {uses: demo.fusion, with: {width: $width}}
  decoder:   {uses: demo.decoder, with: {width: $width}}
  scale:     {uses: core.layer_norm}  # its width follows from its call

tasks:
  video-qa:
    summary: Answer a question about a video.
    inputs:
      video:    {modality: video, with: {frames: $frames, size: 32}}
      question: {modality: text, with: {tokenizer: bert-uncased}}
    nodes:
      frames:   {call: vision, inputs: video.pixels}
      visual:   {call: universal.vision, inputs: frames.states}
      words:    {call: text, inputs: question.tokens}
      language: {call: universal.text, inputs: words.states}
      fused:    {call: fusion, inputs: {text: language.states, vision: visual.states}}
      memory:   {uses: core.concat, inputs: {first: visual.states, second: fused.text}}
      answer:   {generate: decoder, inputs: memory.states, with: {beams: 3, max_tokens: 6, penalty: demo}}
    outputs:
      answer: answer.text
    compile:
      ranges: {batch: "1..8, best 2", question.length: "1..50, best 20"}
  video-vector:
    inputs:
      video: {modality: video, with: {frames: $frames, size: 32}}
    nodes:
      frames: {call: vision, inputs: video.pixels}
      visual: {call: universal.vision, inputs: frames.states}
      scaled: {call: scale, inputs: visual.states}
      vector: {uses: core.pool, inputs: scaled.states}
    outputs:
      vector: vector.embedding
"""

Check = Callable[..., Report]


@pytest.fixture(scope="session")
def registry() -> Registry:
    return load_registry([("demo", views_demo)])


@pytest.fixture
def checked(registry: Registry) -> Check:
    """Check the text of a document; the report has no errors."""

    def check_text(text: str, **settings: Any) -> Report:
        report = check(Source("doc.yaml", text), registry=registry, settings=settings)
        report.raise_for_errors()
        return report

    return check_text


@pytest.fixture
def small(checked: Check) -> Report:
    return checked(DOCUMENT)
