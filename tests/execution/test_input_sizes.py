"""What a caller brings is held to the numbers and symbols of the inputs, before anything runs."""

from __future__ import annotations

import numpy as np
import pytest

import composer
from composer.execution.input_sizes import Given, hold_sizes
from composer.language import Source
from composer.problems import InputError
from composer.types import States, parse_dim

DOCUMENT = """\
composer: 1
tasks:
  sum:
    inputs:
      a: {modality: array, with: {kind: states, dims: [B, N, 4]}}
      b: {modality: array, with: {kind: states, dims: [B, N, 4]}}
    nodes: {s: {uses: core.add, inputs: {first: a, second: b}}}
    outputs: {s: s}
  five:
    inputs: {a: {modality: array, with: {kind: states, dims: [B, 5, 4]}}}
    nodes: {p: {uses: core.pool, inputs: a}}
    outputs: {p: p}
  forms:
    inputs:
      a: {modality: array, with: {kind: states, dims: [B, 2*N + 1, 4]}}
      b: {modality: array, with: {kind: states, dims: [B, N // 2, 4]}}
    nodes: {s: {uses: core.concat, inputs: {first: a, second: b}}, p: {uses: core.pool, inputs: s}}
    outputs: {p: p}
"""


def states(*shape: int) -> States:
    return States(np.zeros(shape, np.float32))


@pytest.fixture(scope="module")
def model() -> composer.execution.Model:
    return composer.load(Source("sizes.yaml", DOCUMENT), weights="initial")


def refusal(model, task: str, **values: object) -> str:
    with pytest.raises(InputError) as refused:
        model.run(task, **values)
    return str(refused.value)


def test_sizes_that_fit_run(model) -> None:
    assert model.run("sum", a=states(5, 4), b=states(5, 4))["s"].values.shape == (5, 4)
    assert model.run("five", a=[states(5, 4)] * 2)["p"].shape == (2, 4)
    assert model.run("forms", a=states(7, 4), b=states(1, 4))["p"].shape == (4,)


def test_a_shared_symbol_is_one_size_and_nothing_broadcasts(model) -> None:
    text = refusal(model, "sum", a=states(5, 4), b=states(1, 4))
    assert "input `b` takes states[B, N, 4]" in text
    assert "the length of what came is 1, and input `a` has N = 5" in text


def test_a_number_is_that_number(model) -> None:
    text = refusal(model, "five", a=states(3, 4))
    assert "input `a` takes states[B, 5, 4], and the length of what came is 3, not 5" in text
    assert "the width of what came is 1, not 4" in refusal(model, "sum", a=states(5, 4), b=states(5, 1))


def test_a_mask_has_the_sizes_of_its_values(model) -> None:
    masked = States(np.zeros((5, 4), np.float32), np.ones(3, np.int64))
    assert "length of what came is 3" in refusal(model, "sum", a=masked, b=states(5, 4))


def test_sums_and_quotients_are_held_too(model) -> None:
    assert "no N makes 2*N + 1" in refusal(model, "forms", a=states(6, 4), b=states(1, 4))
    assert "N // 2 is 1 there" in refusal(model, "forms", a=states(7, 4), b=states(2, 4))


def given(name: str, dims: str, *shape: int) -> Given:
    labels = ["length"] * len(shape)
    return Given(name, f"[{dims}]", labels, [parse_dim(dim) for dim in dims.split(",")], shape)


def test_a_symbol_is_learnt_wherever_it_is_the_only_unknown() -> None:
    assert hold_sizes([given("a", "N + M", 9), given("b", "M", 4)]) == {"M": 4, "N": 5}
    assert hold_sizes([given("a", "S // 3", 9)]) == {}
    assert hold_sizes([given("a", "N*M", 8), given("b", "M*K", 12), given("c", "K", 3)]) == {
        "K": 3,
        "M": 4,
        "N": 2,
    }
    assert hold_sizes([given("a", "N*M", 8)]) == {}
    with pytest.raises(InputError, match=r"which no N makes M\*N"):
        hold_sizes([given("a", "N*M", 9), given("b", "M", 4)])
    with pytest.raises(InputError, match=r"M\*N is 8 there"):
        hold_sizes([given("a", "N*M", 9), given("b", "M,N", 4, 2)])
    with pytest.raises(InputError, match="takes"):
        hold_sizes([given("a", "N + M", 4), given("b", "M", 4)])
    with pytest.raises(InputError, match="2 dimensions came"):
        hold_sizes([given("a", "N", 4, 4)])


@pytest.mark.parametrize(
    ("dims", "fits", "fails"),
    [("N*N", 9, 8), ("N*N + 2*N", 8, 9), ("2*N // 3", 4, None), ("N*N // 2", 8, 7), ("5 - N", 3, 5)],
)
def test_a_product_or_quotient_comes_to_no_other_size(dims: str, fits: int, fails: int | None) -> None:
    hold_sizes([given("a", dims, fits)])
    if fails is not None:
        with pytest.raises(InputError, match="which no N makes"):
            hold_sizes([given("a", dims, fails)])


LEFT_OUT = """\
composer: 1
tasks:
  t:
    inputs:
      x: {modality: array, with: {kind: states, dims: [B, N, 4]}}
      y: {modality: array, optional: true, with: {kind: states, dims: [B, N, 4]}}
    nodes:
      own: {uses: core.per_sample, inputs: {states: y.states, items: y.items}}
      all: {uses: core.concat, inputs: {first: x, second: own}}
      p: {uses: core.pool, inputs: all}
    outputs: {p: p}
"""


def test_an_input_that_is_left_out_has_no_size_of_its_own() -> None:
    model = composer.load(Source("left-out.yaml", LEFT_OUT), weights="initial")
    x = States(np.arange(12, dtype=np.float32).reshape(3, 4))
    for given in ({}, {"y": None}):
        np.testing.assert_allclose(model.run("t", x=x, **given)["p"], x.values.mean(0))
    batch = model.run("t", x=[x, x], y=[None, states(3, 4)])["p"]
    np.testing.assert_allclose(batch, [x.values.mean(0), x.values.mean(0) / 2])
    assert "and input `x` has N = 3" in refusal(model, "t", x=x, y=states(2, 4))
