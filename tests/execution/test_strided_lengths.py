"""Lengths that are quotients of what comes: checked, counted, run, and proved by the conformance kit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from strided import WRONG, StridedPlugin, strided_registry

import composer
from composer.conformance import check_plugin
from composer.language import Source
from composer.problems import InputError
from composer.types import States
from composer.views.cost import measure

DOCUMENT = """\
composer: 1
modules:
  m: {uses: strided.framed, with: {hop: 160, width: 4}}
  c: {uses: strided.convolved, with: {hop: 2, width: 4}}
tasks:
  t:
    inputs:
      signal: {modality: array, with: {kind: states, dims: [B, S, WIDTH]}}
      other: {modality: array, with: {kind: states, dims: [B, LENGTH, 4]}}
    nodes:
      moved: {call: m, inputs: {states: signal.states}}
      both: {uses: core.add, inputs: {first: moved.states, second: other.states}}
      half: {call: c, inputs: {states: both.states}}
    outputs: {moved: moved.states, half: half.states}
"""


def document(length: str = "S // 160 + 1", width: str = "4") -> Source:
    return Source("strided.yaml", DOCUMENT.replace("LENGTH", length).replace("WIDTH", width))


@pytest.mark.parametrize("length", ["S // 160 + 1", "(S - 160) // 160 + 2", "(2*S + 320) // 320"])
def test_equal_quotients_are_one_size(length: str) -> None:
    assert not composer.check(document(length), registry=strided_registry()).problems


@pytest.mark.parametrize("length", ["S // 160", "S // 80 + 1", "S"])
def test_other_lengths_are_refused_with_both_forms(length: str) -> None:
    (problem,) = composer.check(document(length), registry=strided_registry()).problems
    assert "S // 160 + 1" in problem.message
    assert length in problem.message


def test_a_wrong_width_is_told_at_the_strided_module() -> None:
    (problem,) = composer.check(document(width="6"), registry=strided_registry()).problems
    assert "signal.states → moved.states: width 6 ≠ 4" in problem.message


def test_a_model_runs_at_whole_steps_and_between_them() -> None:
    model = composer.load(document(), weights="initial", registry=strided_registry())

    def states(length: int) -> States:
        return States(np.ones((length, 4), np.float32))

    for length in (160, 200, 319, 320, 1000):
        found = model.run("t", signal=states(length), other=states(length // 160 + 1))
        assert found["moved"].values.shape == (length // 160 + 1, 4)
        assert found["half"].values.shape == ((length // 160 + 1) // 2, 4)
    with pytest.raises(InputError, match=r"S // 160 \+ 1 is 2 there"):
        model.run("t", signal=states(319), other=states(3))


def test_costs_count_the_frames_and_not_the_samples() -> None:
    report = composer.check(document(), registry=strided_registry())
    (task,) = measure(report, at={"batch": 1, "signal.length": 320}).tasks
    (half,) = (step for stage in task.stages for step in stage.steps if step.name == "half")
    # Of 3 frames the convolution makes one: 4 outputs, each a sum over 2 frames of 4 numbers.
    assert half.flops == 2 * 4 * 2 * 4


def test_the_conformance_kit_proves_quotients() -> None:
    report = check_plugin(StridedPlugin())
    assert report.passed, report.results


def test_the_conformance_kit_finds_a_quotient_that_rounds_otherwise() -> None:
    """The sizes that it tries lie on both sides of a step, however far the steps are apart."""
    far = replace(WRONG, examples=({"hop": 160},))
    report = check_plugin(StridedPlugin(far))
    broken = [result for result in report.results if result.outcome == "fail"]
    assert all("strided.rounded" in result.subject for result in broken)
    assert "signature" in {result.check for result in broken}
