"""`with: $name`: a parameter that is a whole map of options."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from composer.cli import main
from composer.graph import check
from composer.language import Source
from composer.plugin import load_registry
from composer.problems import Problem
from composer.views.resolved import resolved_text
from composer.views.schema import document_schema

REGISTRY = load_registry()
DOCUMENT = """\
composer: 1
name: whole
parameters:
  sizes: {hidden: 64, heads: 4, layers: 1}
  search: {max_tokens: 4, search: core.greedy}
  reading: {tokenizer: bert-uncased, max_tokens: 30}
  tail: {max_tokens: 3}
modules:
  text: {uses: mplug2.text_encoder, with: $sizes}
  decoder: {uses: mplug2.text_decoder, with: $sizes}
pieces:
  written:
    parameters: {how: {max_tokens: 8}}
    inputs: {memory: "states[B, N, 64]"}
    nodes: {words: {generate: decoder, inputs: {memory: memory}, with: $how}}
    outputs: {text: words.text}
tasks:
  t:
    inputs: {q: {modality: text, with: $reading}}
    nodes:
      w: {call: text, inputs: {tokens: q.tokens}}
      r: {generate: decoder, inputs: {memory: w.states}, with: $search}
      s: {piece: written, inputs: {memory: w.states}, with: {how: $tail}}
    outputs: {r: r.text, s: s.text}
"""


def problems(text: str, **settings: object) -> list[Problem]:
    return list(check(Source("it.yaml", text), registry=REGISTRY, settings=settings).problems)


def test_a_map_stands_for_all_options() -> None:
    report = check(Source("it.yaml", DOCUMENT), registry=REGISTRY)
    assert report.problems == ()
    config: Any = report.modules["decoder"].config
    assert (config.hidden, config.heads, config.layers) == (64, 4, 1)
    nodes = report.tasks["t"].nodes
    assert nodes["r"].decoding.options.max_tokens == 4
    assert nodes["s/words"].decoding.options.max_tokens == 3
    reading: Any = report.tasks["t"].inputs["q"].config
    assert reading.max_tokens == 30


def test_it_can_be_set() -> None:
    sizes = {"hidden": 32, "heads": 2, "layers": 2}
    report = check(
        Source("it.yaml", DOCUMENT.replace("N, 64", "N, 32")), registry=REGISTRY, settings={"sizes": sizes}
    )
    assert report.problems == ()
    config: Any = report.modules["text"].config
    assert config.hidden == 32
    (problem,) = problems(DOCUMENT, sizes=3)
    assert (problem.code, problem.place.file) == ("C105", "<command line>")


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("hidden: 64, heads: 4", "hidden: «64, heads: 5", "C206"),
        ("heads: 4, layers", "heads: 4, «layer", "C101"),
        ("{max_tokens: 4, search: core.greedy}", "{max_tokens: «0, search: core.greedy}", "C206"),
        ("{how: {max_tokens: 8}}", "{how: {«max_token: 8}}", "C101"),
        ("sizes: {hidden: 64, heads: 4, layers: 1}", "sizes: 64", "C102"),
        ("with: $sizes}\n  decoder", "with: «$size}\n  decoder", "C103"),
    ],
)
def test_faults_are_told_where_they_are_written(old: str, new: str, code: str) -> None:
    """At the mark in the text, or where the parameter is written for what is wrong with it as a whole."""
    assert old in DOCUMENT
    text = DOCUMENT.replace(old, new)
    before = (text.partition("«")[0] if "«" in text else text.partition("$sizes")[0]).split("\n")
    first = next(each for each in problems(text.replace("«", "")) if each.code == code)
    assert (first.place.line, first.place.column) == (len(before), len(before[-1]) + 1)
    assert first.helps


def test_a_mismatch_points_into_the_map() -> None:
    text = DOCUMENT.replace("w.states}, with: $search}", "n.states}, with: $search}")
    text = text.replace("    nodes:\n      w:", "    nodes:\n      n: {call: narrow, inputs: w}\n      w:")
    text = text.replace(
        "  decoder: {", "  narrow: {uses: core.linear, with: {input_dim: 64, output_dim: 48}}\n  decoder: {"
    )
    (problem,) = problems(text)
    assert problem.code == "C203"
    assert any(note.place.line == 4 for note in problem.notes)


def test_a_slip_in_the_map_is_mended_there(tmp_path: Path) -> None:
    path = tmp_path / "it.yaml"
    path.write_text(DOCUMENT.replace("layers: 1}", "layrs: 1}"))
    main(["check", str(path), "--fix"])
    assert path.read_text() == DOCUMENT


def test_what_is_shown_resolved_is_the_same_document() -> None:
    report = check(Source("it.yaml", DOCUMENT), registry=REGISTRY)
    assert report.document is not None
    again = check(Source("again.yaml", resolved_text(report.document)), registry=REGISTRY)
    assert {each.code for each in again.problems} <= {"C104"}  # what was filled in is used no more
    assert again.modules["text"].config == report.modules["text"].config


def test_the_schema_knows_it() -> None:
    validator = jsonschema.Draft202012Validator(document_schema(REGISTRY))
    assert not list(validator.iter_errors(yaml.safe_load(DOCUMENT)))
    assert list(validator.iter_errors(yaml.safe_load(DOCUMENT.replace("with: $sizes", "with: sizes", 1))))
