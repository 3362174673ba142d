"""Records such as `States(values, mask)` as raw values: an artifact takes and refuses them as the live model does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import composer_compile
import numpy as np
import pytest
import torch

from composer.execution import Model, load
from composer.problems import InputError
from composer.types import States

POOLED = """\
composer: 1
name: pooled
tasks:
  pool:
    inputs:
      vectors: {modality: array, with: {kind: states, dims: [B, N, 4]}}
    nodes:
      pooled: {uses: core.pool, inputs: {states: vectors.states}}
    outputs: {embedding: pooled.embedding}
    compile: {ranges: {batch: "1..4", vectors.length: "1..5"}}
"""
VALUES = np.random.default_rng(0).random((3, 4), np.float32)
RECORD = States(VALUES, np.array([1, 1, 0]))

Both = tuple[Model, composer_compile.Artifact]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    folder = tmp_path_factory.mktemp("records")
    path = folder / "pooled.yaml"
    path.write_text(POOLED)
    composer_compile.compile_document(path, folder / "out", weights="initial")
    with composer_compile.load(folder / "out") as artifact:
        yield load(path, weights="initial"), artifact


@pytest.mark.parametrize(("given", "shape"), [(RECORD, (4,)), ([RECORD, RECORD], (2, 4))])
def test_a_record_is_one_value(both: Both, given: Any, shape: tuple[int, ...]) -> None:
    for runner in both:
        found = runner.run("pool", vectors=given)["embedding"]
        assert found.shape == shape
        torch.testing.assert_close(found, torch.from_numpy(VALUES[:2].mean(0)).expand(shape))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (5, r"a sample of states has the axes \[N, 4\], and one with the shape \(\) was given"),
        ([States(VALUES[0], None)], r"axes \[N, 4\], and one with the shape \(4,\) was given"),
        ([RECORD, VALUES], "some samples of states are arrays and some are records"),
    ],
)
def test_what_is_no_sample_is_refused_by_both(both: Both, given: Any, message: str) -> None:
    for runner in both:
        with pytest.raises(InputError, match=message):
            runner.run("pool", vectors=given)


def test_an_array_in_the_place_of_a_record_is_refused(both: Both) -> None:
    for runner in both:
        with pytest.raises(InputError, match="`vectors` takes states with values and mask, not one array"):
            runner.run("pool", vectors=VALUES)
