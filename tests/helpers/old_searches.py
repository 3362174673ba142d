"""Documents with one `generate` node whose options are given, for the tests of searches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from composer.cli import main
from composer.graph import Report

HEAD = """\
composer: 1
parameters: {PARAMETERS}
modules:
  text: {uses: mplug2.text_encoder, with: {hidden: 64, heads: 4, layers: 2}}
  decoder: {uses: mplug2.text_decoder, with: {hidden: 64, heads: 4, layers: 2}}
tasks:
  rewrite:
    inputs:
      question: {modality: text, with: {tokenizer: bert-uncased}}
    nodes:
      words: {call: text, inputs: {tokens: question.tokens}}
      answer: WITH
    outputs:
      answer: answer.text
"""
FLOW = "{generate: decoder, inputs: {memory: words.states}, with: WITH}"
BLOCK = "\n        generate: decoder\n        inputs: {memory: words.states}\n        with:\n"


def document(options: str, parameters: str = "") -> str:
    return HEAD.replace("WITH", FLOW.replace("WITH", options)).replace("PARAMETERS", parameters)


def block(*rows: str) -> str:
    text = BLOCK + "\n".join(f"          {row}" for row in rows)
    return HEAD.replace("WITH", text).replace("PARAMETERS", "")


def codes(report: Report) -> list[str]:
    return [problem.code for problem in report.problems]


def searched(report: Report) -> tuple[str, dict[str, Any], int]:
    search = report.tasks["rewrite"].nodes["answer"].decoding.search
    own = {name: value for name, value in search.config.model_dump().items() if name == "beams"}
    return search.policy.id, own, search.beams


def mended(path: Path, *arguments: str) -> str:
    assert main(["check", "--fix", str(path), *arguments]) == 0
    return path.read_text()


PLAIN = ("core.beam", {"beams": 1}, 1)
WRITTEN = "{search: {uses: core.beam, with: {beams: 1}}}"
