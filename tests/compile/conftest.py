"""One small document with three tasks, compiled once: what most tests of artifacts read."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from compiled import Compiled, compiled
from composer_compile.backends.tensorrt import tensorrt_builder, tensorrt_library, tensorrt_loader
from composer_compile.backends.tensorrt.tensorrt_library import TensorRTLibrary
from composer_compile.building import pool

DOCUMENT = """\
composer: 1
name: small
summary: Three tasks over one set of modules.
parameters: {hidden: 16, heads: 2, words: 35}
modules:
  vision: {uses: mplug2.vision_encoder, with: {image_size: 8, patch_size: 4, width: 16, layers: 1, heads: 2, frames: 2}}
  text: {uses: mplug2.text_encoder, with: {hidden: $hidden, heads: $heads, layers: 1, vocabulary: $words, positions: 9}}
  fusion: {uses: mplug2.fusion, with: {hidden: $hidden, heads: $heads, layers: 1}}
  decoder:
    uses: mplug2.text_decoder
    with:
      {hidden: $hidden, heads: $heads, layers: 1, vocabulary: $words, positions: 16, tokenizer: words.txt, start: 2,
       end: 3, pad: 0}
  classes: {uses: core.linear, with: {output_dim: 5}}
tasks:
  video-qa:
    summary: Answer a question about a clip.
    inputs:
      video: {modality: video, with: {frames: 2, size: 8}}
      question: {modality: text, with: {tokenizer: words.txt, separator: false, max_tokens: 8}}
    nodes:
      frames: {call: vision, inputs: {pixels: video.pixels}}
      words: {call: text, inputs: {tokens: question.tokens}}
      fused: {call: fusion, inputs: {text: words.states, vision: frames.states}}
      memory: {uses: core.concat, inputs: {first: frames.states, second: fused.text}}
      answer: {generate: decoder, inputs: {memory: memory.states},
        with: {max_tokens: 4, search: {uses: mplug2.beam, with: {beams: 3}}}}
    outputs: {answer: answer.text}
    compile: {ranges: {batch: "1..4, best 2", question.length: "1..8, best 5"}}
  caption:
    inputs:
      video: {modality: video, with: {frames: 2, size: 8}}
    nodes:
      frames: {call: vision, inputs: {pixels: video.pixels}}
      caption: {generate: decoder, inputs: {memory: frames.states}, with: {max_tokens: 4}}
    outputs: {caption: caption.text, score: caption.score}
    compile: {ranges: {batch: "1..2"}}
  classify:
    inputs:
      question: {modality: text, with: {tokenizer: words.txt, max_tokens: 8}}
    nodes:
      words: {call: text, inputs: {tokens: question.tokens}}
      vector: {uses: core.pool, inputs: {states: words.states}}
      scores: {call: classes.scores, inputs: {embedding: vector.embedding}}
    outputs: {scores: scores.scores, words: words.states}
    compile: {ranges: {batch: "1..4", question.length: "2..8"}}
"""


@pytest.fixture(scope="session", autouse=True)
def one_build_at_once() -> Iterator[None]:
    """Tests run side by side already: a second builder would only load torch once more."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(pool, "TOGETHER", 1)
        yield


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Compiled:
    return compiled(tmp_path_factory.mktemp("small"), "small", DOCUMENT, seed=7)


@pytest.fixture
def copied(small: Compiled, tmp_path: Path) -> Path:
    """A copy of the artifact that a test may damage."""
    target = tmp_path / "copy"
    shutil.copytree(small.artifact, target)
    return target


@pytest.fixture
def clip() -> Callable[[int], np.ndarray]:
    def made(seed: int) -> np.ndarray:
        return np.random.default_rng(seed).integers(0, 256, (3, 9, 9, 3), dtype=np.uint8)

    return made


@pytest.fixture
def has(monkeypatch: pytest.MonkeyPatch) -> Callable[[TensorRTLibrary], None]:
    """Makes a library of the backend tensorrt the installed one."""

    def set_to(found: TensorRTLibrary) -> None:
        for module in (tensorrt_builder, tensorrt_library, tensorrt_loader):
            monkeypatch.setattr(module, "installed", lambda: found)

    return set_to
