"""A command is called as its console script calls it, and what it prints is handed back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from composer.cli import main


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str


Call = Callable[..., Done]

DOCUMENT = """\
composer: 1
name: vectors
parameters:
  how: mean
modules:
  narrow: {uses: core.linear, with: {input_dim: 64, output_dim: 32}}
  wide: {uses: core.linear, with: {input_dim: 32, output_dim: 64}}  # back again
tasks:
  embed:
    inputs:
      states: {modality: demo, with: {width: 64}}
    nodes:
      small: {call: narrow, inputs: {states: states.states}}
      large: {call: wide, inputs: {states: small.states}}
      vector: {uses: core.pool, with: {how: $how}, inputs: {states: large.states}}
    outputs:
      vector: vector.embedding
"""


@pytest.fixture
def composer(capsys: pytest.CaptureFixture[str]) -> Call:
    def call(*arguments: str | Path) -> Done:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Done(code, captured.out, captured.err)

    return call
