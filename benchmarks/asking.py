"""A picture that is asked several questions: encoded once in a session, beside whole runs."""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

import composer
from benchmarks.language import SMOLLM2, TINY, write_language_model
from benchmarks.measuring import Row, interleaved, on_threads, ratio

__all__ = ["DOCUMENT", "measure"]

DOCUMENT = """\
composer: 1
name: asking
modules:
  eyes:
    uses: timm.backbone
    with: {{model: {backbone}, features: tokens, prefix_tokens: false}}
    weights: fresh
  projector: {{uses: core.linear, with: {{output_dim: {width}}}, weights: fresh}}
  language:  {{uses: transformers.causal_lm, with: {{folder: model}}, weights: model}}
tasks:
  ask:
    inputs:
      image: {{modality: image, for: eyes}}
      question:
        modality: prompt
        for: language
        with: {{template: "{{image}}{{question}}", media: {{image: {places}}}, frame: none, max_tokens: 256}}
    nodes:
      seen:   {{call: eyes, inputs: image.pixels}}
      shown:  {{call: projector, inputs: seen}}
      words:  {{call: language.embed, inputs: question.tokens}}
      mixed:  {{uses: core.fill, inputs: {{text: words, media: shown, places: question.image}}}}
      answer: {{generate: language, inputs: {{prompt: mixed.states}}, with: {{max_tokens: 4}}}}
    outputs: {{ids: answer.ids}}
"""
QUESTIONS = [f"w{number} w{number + 1} w{number + 2} w{number + 3}" for number in range(5)]


def measure(*, quick: bool) -> list[Row]:
    """ViT-B/16 before SmolLM2-135M's sizes, random weights in float32, two threads; answers of four tokens."""
    torch.manual_seed(0)
    with on_threads(2), TemporaryDirectory() as name:
        folder = Path(name)
        config = TINY if quick else SMOLLM2
        write_language_model(folder, config, 4)
        backbone, places = ("test_vit", 100) if quick else ("vit_base_patch16_224", 196)
        (folder / "asking.yaml").write_text(
            DOCUMENT.format(backbone=backbone, width=config["hidden_size"], places=places)
        )
        return [_asked(composer.load(folder / "asking.yaml"), 1 if quick else 3)]


def _asked(model: Any, rounds: int) -> Row:
    picture = np.random.default_rng(0).integers(0, 256, (224, 224, 3), dtype=np.uint8)

    def whole() -> list[Any]:
        return [model.run("ask", image=picture, question=question)["ids"] for question in QUESTIONS]

    def session() -> list[Any]:
        asked = model.session("ask", image=picture)
        return [asked.ask(question=question)["ids"] for question in QUESTIONS]

    same = all(torch.equal(a, b) for a, b in zip(whole(), session(), strict=True))
    times = interleaved({"whole": whole, "session": session}, rounds, time.perf_counter)
    return Row(
        "a picture asked five questions in a session, encoded once",
        statistics.median(times["session"]),
        "s",
        "five whole runs",
        statistics.median(times["whole"]),
        ratio(times, "whole", "session"),
        "",
        "times faster" if same else "times faster, OTHER ANSWERS",
    )
