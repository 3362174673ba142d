"""Unification of dimensions, held against trying all small integers."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from composer.graph.solver import Solver
from composer.types import Dim, Symbol, parse_dim

SYMBOLS = (Symbol("K"), Symbol("M"), Symbol("N"))
SMALL = range(1, 13)


def value(dim: Dim, binding: Mapping[Symbol, int]) -> int:
    """The text of a dim, read by Python: quotients and signs mean what they mean there."""
    return int(eval(str(dim), {}, {str(symbol): number for symbol, number in binding.items()}))


def solutions(
    equations: list[tuple[Dim, Dim]], ranges: Mapping[Symbol, tuple[int, int]]
) -> list[dict[Symbol, int]]:
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


def quotients(coefficients: st.SearchStrategy[int]) -> st.SearchStrategy[Dim]:
    """Sums that hold quotients, of which some hold quotients again."""
    plain = dims(coefficients, 2)
    once = st.builds(
        lambda inner, d, c, rest: inner.floored(d).scaled(c) + rest, plain, DIVISORS, FACTORS, plain
    )
    return st.one_of(
        plain, once, st.builds(lambda inner, d, rest: inner.floored(d) + rest, once, DIVISORS, plain)
    )


def products(coefficients: st.SearchStrategy[int]) -> st.SearchStrategy[Dim]:
    """Sums that hold products, of sums and of quotients."""
    plain, small = dims(coefficients, 2), dims(st.integers(0, 2), 1)
    factors = st.one_of(small, st.builds(Dim.floored, small, DIVISORS))
    return st.builds(lambda a, b, c, rest: a.times(b).scaled(c) + rest, factors, factors, FACTORS, plain)


DIVISORS = st.integers(1, 5)
FACTORS = st.sampled_from((-1, 1, 2))
RANGES = st.dictionaries(
    st.sampled_from(SYMBOLS), st.tuples(st.integers(1, 4), st.integers(4, 12)), max_size=2
)


FORMS = st.one_of(quotients(st.integers(-2, 3)), products(st.integers(-2, 3)))


@given(st.lists(st.tuples(FORMS, FORMS), max_size=4), RANGES)
@settings(max_examples=100, deadline=None)
def test_what_has_a_solution_is_never_refused(
    equations: list[tuple[Dim, Dim]], ranges: dict[Symbol, tuple[int, int]]
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
@settings(max_examples=60, deadline=None)
def test_with_one_symbol_a_side_what_has_no_solution_is_refused(equations: list[tuple[Dim, Dim]]) -> None:
    ranges = dict.fromkeys(SYMBOLS, (1, 12))
    solver = Solver(ranges=dict(ranges))
    for count, (offer, want) in enumerate(equations, start=1):
        expected = bool(solutions(equations[:count], ranges))
        assert solver.unify(offer, want) is expected
        if not expected:
            return


def one_side(symbol: str, divisor: int, constant: int) -> Dim:
    return Dim.of(symbol).floored(divisor) + Dim(constant)


ONE_SIDE = st.one_of(
    st.builds(Dim, st.integers(0, 12)),
    st.builds(one_side, st.sampled_from(SYMBOLS), st.integers(1, 4), st.integers(0, 3)),
)


@given(st.lists(st.tuples(ONE_SIDE, st.builds(Dim, st.integers(0, 12))), min_size=1, max_size=4))
@settings(max_examples=60, deadline=None)
def test_a_quotient_of_one_symbol_is_refused_where_no_number_is_left(
    equations: list[tuple[Dim, Dim]],
) -> None:
    solver = Solver(ranges=dict.fromkeys(SYMBOLS, (1, 12)))
    for count, (offer, want) in enumerate(equations, start=1):
        expected = bool(solutions(equations[:count], {}))
        assert solver.unify(offer, want) is expected
        if not expected:
            return


@given(st.lists(st.tuples(FORMS, FORMS), min_size=1, max_size=4), st.permutations(SYMBOLS))
@settings(max_examples=100, deadline=None)
def test_with_every_symbol_known_what_does_not_hold_is_refused(
    equations: list[tuple[Dim, Dim]], order: list[Symbol]
) -> None:
    """What waited is looked at again: nothing that does not hold is left once the numbers are there."""
    binding = {symbol: number for number, symbol in enumerate(order, start=2)}
    solver = Solver()
    fits = all(solver.unify(offer, want) for offer, want in equations)
    fits = fits and all(solver.unify(Dim.of(symbol), Dim(number)) for symbol, number in binding.items())
    assert fits is all(value(offer, binding) == value(want, binding) for offer, want in equations)


@given(FORMS, FORMS, FORMS, FORMS)
@settings(deadline=None)
def test_a_refusal_and_a_trial_change_nothing(first: Dim, second: Dim, offer: Dim, want: Dim) -> None:
    solver = Solver(solved={Symbol("K"): Dim(3)}, ranges={Symbol("M"): (2, 4)})
    solver.unify(first, second)
    before = [dict(table) for table in (solver.solved, solver.ranges, solver.waiting)]
    with solver.trial():
        fits = solver.unify(offer, want)
    assert [solver.solved, solver.ranges, solver.waiting] == before
    if not fits:
        assert not solver.unify(offer, want)
        assert [solver.solved, solver.ranges, solver.waiting] == before


@given(FORMS, st.integers(1, 6), st.integers(1, 6))
@settings(max_examples=60, deadline=None)
def test_quotients_are_what_python_says_and_have_one_form(dim: Dim, first: int, second: int) -> None:
    for numbers in itertools.product((1, 2, 5, 11), repeat=3):
        binding = dict(zip(SYMBOLS, numbers, strict=True))
        assert dim.at(binding) == value(dim, binding)
        assert dim.floored(first).at(binding) == value(dim, binding) // first
    if dim.is_linear:
        assert dim.floored(first).floored(second) == dim.floored(first * second)
    assert (dim + Dim.of("N").scaled(first)).floored(first) == dim.floored(first) + Dim.of("N")


@given(dims(st.integers(-2, 3), 3), dims(st.integers(-2, 3), 3), dims(st.integers(-2, 3), 3))
@settings(deadline=None)
def test_dims_add_up(first: Dim, second: Dim, third: Dim) -> None:
    assert (first + second) + third == first + (second + third)
    assert first + second == second + first
    assert first - first == Dim()
    assert first.scaled(2) == first + first


@given(FORMS)
@settings(deadline=None)
def test_a_dim_is_read_as_it_is_written(dim: Dim) -> None:
    assert parse_dim(str(dim)) == dim


@pytest.mark.parametrize(
    ("text", "cure"),
    [
        ("", "write a number"),
        ("N M", "write two dimensions: N, M"),
        ("2 N", "write 2*N"),
        ("2N", "write 2*N"),
        ("N*2", "write 2*N"),
        ("N x 2", "write 2*N"),
        ("1.5", "a size is a whole number"),
        ("2.0", "a size is a whole number: write 2"),
        ("1_000", "write 1000"),
        ("1,000", "write 1000"),
        ("1e3", "a size is a whole number"),
        ("N/2", "write N // 2"),
        ("N // 0", "write a number"),
        ("N // M", "write a number"),
        ("N^2", "write a number"),
        ("N*M*N*M*N", "write a number"),
        ("(A+B+C+D+E+F+G+H+I)*(A+B+C+D+E+F+G+H+I)", "write a number"),
        ("(N + 1)*2", "write a number"),
        ("N*", "write a number"),
        ("(N", "write a number"),
        ("N)", "write a number"),
        ("+", "write a number"),
        ("N +", "write a number"),
        ("-", "for a size that is not fixed write a symbol"),
        ("?", "for a size that is not fixed write a symbol"),
        ("*N", "write a number"),
        ("ñ", "ASCII"),
        ("aña", "ASCII"),
        ("\uff11", "ASCII"),
        ("9" * 30, "larger than any tensor"),
        ("9" * 5000, "5,000 characters"),
        ("(" * 150, "write a number"),
        ("-" * 150, "write a number"),
        ("N\0", "write a number"),
    ],
)
def test_what_is_no_dim_is_refused_with_a_cure(text: str, cure: str) -> None:
    with pytest.raises(ValueError, match="not a dimension") as refused:
        parse_dim(text)
    assert cure in str(refused.value)
    assert len(str(refused.value)) < 300


@given(st.text(max_size=12))
@settings(max_examples=300, deadline=None)
def test_any_text_is_a_dim_or_refused(text: str) -> None:
    with contextlib.suppress(ValueError):  # anything else that it raises is a fault
        dim = parse_dim(text)
        assert parse_dim(str(dim)) == dim


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("S // 160 + 1", "S // 160 + 1"),
        ("S//2//2", "S // 4"),
        ("(S - 2) // 2 + 1", "S // 2"),
        ("(S - 1) // 2 + 1", "(S + 1) // 2"),
        ("2*(S // 3)", "2*(S // 3)"),
        ("2*S // 3", "(2*S) // 3"),
        ("N - S // 3", "N - (S // 3)"),
        ("-S // 2", "S // 2 - S"),
        ("(4*S + 3) // 2", "2*S + 1"),
        ("(N + 1)", "N + 1"),
    ],
)
def test_quotients_are_shown_in_one_form(text: str, shown: str) -> None:
    dim = parse_dim(text)
    for size in range(1, 30):
        assert dim.at({"S": size, "N": 7}) == eval(text, {}, {"S": size, "N": 7})
    if "-S" not in text:
        assert str(dim) == shown


@given(FORMS, FORMS, FORMS)
@settings(max_examples=200, deadline=None)
def test_products_are_what_python_says_and_have_one_form(first: Dim, second: Dim, third: Dim) -> None:
    for numbers in itertools.product((1, 2, 5), repeat=3):
        binding = dict(zip(SYMBOLS, numbers, strict=True))
        product = first.times(second)
        assert (
            product.at(binding) == value(product, binding) == value(first, binding) * value(second, binding)
        )
        assert product.substitute({s: Dim(n) for s, n in binding.items()}) == Dim(product.at(binding))
    assert first.times(second) == second.times(first)
    assert first.times(second + third) == first.times(second) + first.times(third)
    assert first.times(Dim(3)) == first.scaled(3)


@given(FORMS, RANGES)
@settings(max_examples=200, deadline=None)
def test_bounds_hold_every_number_that_a_form_is(dim: Dim, ranges: dict[Symbol, tuple[int, int]]) -> None:
    low, high = dim.bounds(ranges, 12)
    open_low, open_high = dim.bounds(ranges)
    spans = [(ranges.get(s, (1, 12))) for s in SYMBOLS]
    for numbers in itertools.product(*((a, (a + b) // 2, b) for a, b in spans)):
        found = dim.at(dict(zip(SYMBOLS, numbers, strict=True)))
        assert low <= found <= high
        assert open_low <= found <= open_high


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("K*P", "K*P"),
        ("P*K", "K*P"),
        ("2*P*K + 1", "2*K*P + 1"),
        ("P*(K + 1)", "P + K*P"),
        ("(P + 1)*(K + 1)", "K + K*P + P + 1"),
        ("P*(S // 2)", "P*(S // 2)"),
        ("(2*P*K + 3) // 2", "K*P + 1"),
        ("P*P", "P*P"),
    ],
)
def test_products_are_shown_in_one_form(text: str, shown: str) -> None:
    dim = parse_dim(text)
    for size in range(1, 12):
        assert dim.at({"P": size, "K": 7, "S": 9}) == eval(text, {}, {"P": size, "K": 7, "S": 9})
    assert sorted(str(dim).split(" + ")) == sorted(shown.split(" + "))
    assert parse_dim(str(dim)) == dim
