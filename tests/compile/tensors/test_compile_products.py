"""Lengths that are products of what comes: checked, their forms in an artifact, and the same answers as live."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import composer_compile
import numpy as np
import pytest
import torch
from composer_compile.errors import CompileError
from crossed import PAIRS, crossed_registry

import composer
from composer.language import Source
from composer.types import States
from composer.weights import save_weights

HEAD = """\
composer: 1
name: crossed
modules:
  pair: {uses: crossed.pairs}
  weigh: {uses: crossed.weighed}
  decoder:
    uses: mplug2.text_decoder
    with:
      {hidden: 8, heads: 2, layers: 1, vocabulary: 15, positions: 16, tokenizer: words.txt, start: 2, end: 3, pad: 0}
tasks:
"""
ALONE = """\
  alone:
    inputs:
      pairs: {modality: array, with: {kind: states, dims: [B, N*M, 8]}}
      a: {modality: array, with: {kind: states, dims: [B, N, 8]}}
      b: {modality: array, with: {kind: states, dims: [B, M, 8]}}
    nodes: {more: {call: weigh, inputs: {pairs: pairs, first: a, second: b}}}
    outputs: {more: more.states}
    compile: {ranges: {batch: "1..3", a.length: "2..5", b.length: "2..4"}}
"""
WRITE = """\
  write:
    inputs:
      a: {modality: array, with: {kind: states, dims: [B, N, 8]}}
      b: {modality: array, with: {kind: states, dims: [B, M, 8]}}
    nodes:
      both: {call: pair, inputs: {first: a, second: b}}
      text: {generate: decoder, inputs: {memory: both}, with: {max_tokens: 4}}
    outputs: {text: text.text, score: text.score}
    compile: {ranges: {batch: "1..2", a.length: "2..5", b.length: "2..4"}}
"""


def states(length: int) -> States:
    return States(np.random.default_rng(length).random((length, 8), np.float32))


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = tmp_path_factory.mktemp("crossed")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghij"]
    (path / "words.txt").write_text("\n".join(words) + "\n")
    document, weights, registry = path / "it.yaml", path / "it.safetensors", crossed_registry()
    document.write_text(HEAD + PAIRS + ALONE + WRITE)
    live = composer.load(document, weights="initial", registry=registry)
    save_weights(live.modules, weights)
    manifest = composer_compile.compile_document(document, path / "out", weights=weights, registry=registry)
    with composer_compile.load(path / "out", registry=registry) as artifact:
        yield live, manifest, artifact


def test_a_product_is_described_and_answered(both: Any) -> None:
    live, manifest, artifact = both
    assert manifest.tasks["pairs"].order[-1].outputs[0].dims == ["batch", "a.length*b.length", 8]
    for first, second in ((2, 2), (5, 4), (4, 3), (3, 3)):
        given = {"a": [states(first)] * 2, "b": [states(second)] * 2}
        ours, theirs = artifact.run("pairs", **given)["more"], live.run("pairs", **given)["more"]
        assert ours.values.shape == (2, first * second, 8)
        torch.testing.assert_close(torch.as_tensor(ours.values), torch.as_tensor(theirs.values))


def test_an_input_may_be_as_many_as_two_others_multiplied(both: Any) -> None:
    live, _, artifact = both
    for first, second in ((2, 2), (5, 4), (4, 3)):
        given = {"pairs": states(first * second), "a": states(first), "b": states(second)}
        ours, theirs = artifact.run("alone", **given)["more"], live.run("alone", **given)["more"]
        torch.testing.assert_close(torch.as_tensor(ours.values), torch.as_tensor(theirs.values))
    with pytest.raises(composer.problems.InputError, match=r"M\*N is 12 there|is 12 there"):
        artifact.run("alone", pairs=states(13), a=states(4), b=states(3))


def test_a_decoder_remembers_a_product(both: Any) -> None:
    live, _, artifact = both
    for first, second in ((2, 2), (5, 4)):
        given = {"a": [states(first)] * 2, "b": [states(second)] * 2}
        ours, theirs = artifact.run("write", **given), live.run("write", **given)
        assert ours["text"] == theirs["text"]
        torch.testing.assert_close(torch.as_tensor(ours["score"]), torch.as_tensor(theirs["score"]))


def test_a_product_that_no_input_shows_the_factors_of_is_refused(tmp_path: Path) -> None:
    text = """\
composer: 1
tasks:
  t:
    inputs: {pairs: {modality: array, with: {kind: states, dims: [B, N*M, 8]}}}
    nodes: {p: {uses: core.pool, inputs: pairs}}
    outputs: {p: p}
"""
    with pytest.raises(CompileError, match=r"input `pairs` has the size `M\*N`, and no input has the size"):
        composer_compile.compile_document(Source("it.yaml", text), tmp_path / "out", weights="initial")


def test_a_factor_that_an_input_does_not_bring_is_a_mismatch() -> None:
    text = HEAD.partition("  decoder")[0] + "tasks:\n" + ALONE.replace("N*M", "2*N")
    report = composer.check(Source("it.yaml", text), registry=crossed_registry())
    (problem,) = report.errors
    assert problem.code == "C203"
    assert problem.message == "dimension mismatch on b.states → more.second: length M ≠ 2"
