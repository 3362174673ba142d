"""Unification of dimensions, held against trying all small integers."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from composer.graph.solver import Solver
from composer.types import Dim, parse_dim

SYMBOLS = ("K", "M", "N")
SMALL = range(1, 13)


def value(dim: Dim, binding: dict[str, int]) -> int:
    return dim.constant + sum(coefficient * binding[symbol] for symbol, coefficient in dim.terms)


def solutions(equations: list[tuple[Dim, Dim]], ranges: dict[str, tuple[int, int]]) -> list[dict[str, int]]:
    spans = [range(ranges.get(s, (1, 12))[0], ranges.get(s, (1, 12))[1] + 1) for s in SYMBOLS]
    bindings = (dict(zip(SYMBOLS, numbers, strict=True)) for numbers in itertools.product(*spans))
    return [b for b in bindings if all(value(given, b) == value(wanted, b) for given, wanted in equations)]


def dims(coefficients: st.SearchStrategy[int], terms: int) -> st.SearchStrategy[Dim]:
    pairs = st.dictionaries(st.sampled_from(SYMBOLS), coefficients, max_size=terms)
    return st.builds(
        lambda constant, found: Dim(constant, tuple(sorted((s, c) for s, c in found.items() if c))),
        st.integers(-3, 12),
        pairs,
    )


RANGES = st.dictionaries(
    st.sampled_from(SYMBOLS), st.tuples(st.integers(1, 4), st.integers(4, 12)), max_size=2
)


@given(st.lists(st.tuples(dims(st.integers(-2, 3), 2), dims(st.integers(-2, 3), 2)), max_size=4), RANGES)
@settings(max_examples=300, deadline=None)
def test_what_has_a_solution_is_never_refused(
    equations: list[tuple[Dim, Dim]], ranges: dict[str, tuple[int, int]]
) -> None:
    solver = Solver(ranges=dict(ranges))
    for count, (offer, want) in enumerate(equations, start=1):
        found = solutions(equations[:count], ranges)
        if not found:
            return
        assert solver.unify(offer, want)
        for binding in found:
            for symbol, form in solver.solved.items():
                assert binding[symbol] == value(solver.normal(form), binding)


@given(st.lists(st.tuples(dims(st.just(1), 1), dims(st.just(1), 1)), min_size=1, max_size=4))
@settings(max_examples=300, deadline=None)
def test_with_one_symbol_a_side_what_has_no_solution_is_refused(equations: list[tuple[Dim, Dim]]) -> None:
    ranges = dict.fromkeys(SYMBOLS, (1, 12))
    solver = Solver(ranges=dict(ranges))
    for count, (offer, want) in enumerate(equations, start=1):
        expected = bool(solutions(equations[:count], ranges))
        assert solver.unify(offer, want) is expected
        if not expected:
            return


@given(dims(st.integers(-2, 3), 2), dims(st.integers(-2, 3), 2))
@settings(deadline=None)
def test_a_refusal_changes_nothing(offer: Dim, want: Dim) -> None:
    solver = Solver(solved={"K": Dim(3)}, ranges={"M": (2, 4)})
    before = dict(solver.solved), dict(solver.ranges)
    if not solver.unify(offer, want):
        assert (solver.solved, solver.ranges) == before


@given(dims(st.integers(-2, 3), 3), dims(st.integers(-2, 3), 3), dims(st.integers(-2, 3), 3))
@settings(deadline=None)
def test_dims_add_up(first: Dim, second: Dim, third: Dim) -> None:
    assert (first + second) + third == first + (second + third)
    assert first + second == second + first
    assert first - first == Dim()
    assert first.scaled(2) == first + first


@given(dims(st.integers(-3, 3), 3))
@settings(deadline=None)
def test_a_dim_is_read_as_it_is_written(dim: Dim) -> None:
    assert parse_dim(str(dim)) == dim


@pytest.mark.parametrize("text", ["", "N M", "2 N", "N*2", "1.5", "N/2", "N^2", "(N)", "+", "N +", "*N"])
def test_what_is_no_dim_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a dimension"):
        parse_dim(text)


def unified(equations: list[tuple[str, str]], **ranges: tuple[int, int]) -> list[bool]:
    solver = Solver(ranges=dict(ranges))
    return [solver.unify(parse_dim(offer), parse_dim(want)) for offer, want in equations]


def test_what_is_learnt_later_counts_for_what_was_equal_before() -> None:
    assert unified([("N", "M"), ("M", "K"), ("4", "K"), ("5", "N")]) == [True, True, True, False]


def test_a_sum_of_unknowns_is_solved_when_one_is_known() -> None:
    assert unified([("N + M", "10"), ("4", "N"), ("6", "M"), ("7", "M")]) == [True, True, True, False]


def test_a_symbol_in_itself() -> None:
    assert unified([("N + 1", "N")]) == [False]
    assert unified([("2*N", "N + 3"), ("3", "N")]) == [True, True]


def test_even_and_odd() -> None:
    assert unified([("2*N", "7")]) == [False]
    assert unified([("2*N", "8"), ("4", "N")]) == [True, True]
    assert unified([("2*N", "2*M + 1")]) == [False]
    assert unified([("2*N", "8"), ("5", "N")]) == [True, False]


def test_ranges_pass_through_equations() -> None:
    assert unified([("N", "M"), ("M", "20")], N=(1, 16)) == [True, False]
    assert unified([("N + 4", "M"), ("M", "21")], N=(1, 16)) == [True, False]
    assert unified([("600", "L")], L=(1, 512)) == [False]
    assert unified([("0", "N")]) == [False]


def test_a_rigid_symbol_is_never_fixed() -> None:
    solver = Solver(rigid={"N"})
    assert not solver.unify(parse_dim("N"), parse_dim("8"))
    assert not solver.unify(parse_dim("8"), parse_dim("N"))
    assert solver.unify(parse_dim("N + 1"), parse_dim("M"))
    assert not solver.unify(parse_dim("M"), parse_dim("9"))
