"""A command is called as its console script calls it, and what it prints is handed back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from composer.cli import main

DOCUMENT = """\
composer: 1
name: vectors
parameters:
  hidden: 64
modules:
  text: {uses: mplug2.text_encoder, with: {hidden: $hidden, heads: 4, layers: 2}}
tasks:
  embed:
    summary: A vector for a question.
    inputs:
      question: {modality: text, with: {tokenizer: bert-uncased}}
    nodes:
      words: {call: text, inputs: {tokens: question.tokens}}
      vector: {uses: core.pool, inputs: {states: words.states}}
    outputs:
      vector: vector.embedding
"""


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str


Call = Callable[..., Done]


@pytest.fixture
def composer(capsys: pytest.CaptureFixture[str]) -> Call:
    """Runs a command in this process."""

    def call(*arguments: str | Path) -> Done:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Done(code, captured.out, captured.err)

    return call


@pytest.fixture
def document(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small document that is right, `vectors.yaml` in the working directory."""
    monkeypatch.chdir(tmp_path)
    path = Path("vectors.yaml")
    path.write_text(DOCUMENT)
    return path
