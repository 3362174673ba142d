"""Unification of dimensions: what each rule is for, one by one."""

from __future__ import annotations

from composer.graph.solver import Solver
from composer.types import Dim, Symbol, parse_dim


def unified(equations: list[tuple[str, str]], **ranges: tuple[int, int]) -> list[bool]:
    solver = Solver(ranges={Symbol(name): ends for name, ends in ranges.items()})
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
    solver = Solver(rigid={Symbol("N")})
    assert not solver.unify(parse_dim("N"), parse_dim("8"))
    assert not solver.unify(parse_dim("8"), parse_dim("N"))
    assert solver.unify(parse_dim("N + 1"), parse_dim("M"))
    assert not solver.unify(parse_dim("M"), parse_dim("9"))


def test_a_quotient_of_what_the_caller_brings_is_no_number() -> None:
    solver = Solver(rigid={Symbol("S")})
    assert not solver.unify(parse_dim("S // 160 + 1"), parse_dim("7"))
    assert solver.unify(parse_dim("S // 160 + 1"), parse_dim("N"))
    assert solver.unify(parse_dim("(S - 160) // 160 + 2"), parse_dim("N"))
    assert not solver.unify(parse_dim("S // 80 + 1"), parse_dim("N"))
    assert solver.ranges == {}


def test_a_quotient_that_must_be_a_size_bounds_what_it_is_of() -> None:
    solver = Solver(rigid={Symbol("S")}, ranges={Symbol("N"): (1, 10)})
    assert solver.unify(parse_dim("S // 160"), parse_dim("N"))
    assert solver.ranges[Symbol("S")] == (160, 1759)


def test_what_the_caller_brings_is_not_even() -> None:
    solver = Solver(rigid={Symbol("N")})
    assert not solver.unify(parse_dim("N"), parse_dim("2*M"))
    assert solver.unify(parse_dim("2*N"), parse_dim("2*M"))


def test_what_waits_is_looked_at_again() -> None:
    assert unified([("2*N", "3*M"), ("3", "N"), ("3", "M")]) == [True, True, False]
    assert unified([("2*N", "3*M"), ("3", "N"), ("2", "M")]) == [True, True, True]
    assert unified([("(N + M) // 2", "4"), ("3", "N"), ("7", "M"), ("6", "M")]) == [True, True, False, True]


def test_a_size_that_a_node_makes_is_nothing_that_it_reads() -> None:
    solver = Solver()
    solver.make(Symbol("R"), [Symbol("B"), Symbol("N")])
    assert not solver.unify(parse_dim("B"), parse_dim("R"))
    assert not solver.unify(parse_dim("8"), parse_dim("R"))
    assert solver.unify(parse_dim("R"), parse_dim("A"))  # another input's batch may be as many
    assert not solver.unify(parse_dim("A"), parse_dim("B"))
    solver.make(Symbol("Q"), [Symbol("R"), Symbol("M")])
    assert not solver.unify(parse_dim("Q"), parse_dim("R"))
    assert not solver.unify(parse_dim("Q"), parse_dim("B"))
    assert not solver.unify(parse_dim("N + 1"), parse_dim("Q"))


def test_a_factor_of_all_of_an_equation_goes_out_of_it() -> None:
    solver = Solver(rigid={Symbol("P")})
    assert solver.unify(parse_dim("P*K"), parse_dim("65*P"))
    assert solver.solved[Symbol("K")] == Dim(65)
    assert not solver.unify(parse_dim("64*P"), parse_dim("P*K"))
    assert solver.unify(parse_dim("P*(N + 1)"), parse_dim("P*K"))
    assert solver.solved[Symbol("N")] == Dim(64)


def test_a_product_is_solved_when_its_other_factor_is_known() -> None:
    assert unified([("P*K", "12"), ("4", "K"), ("3", "P")]) == [True, True, True]
    assert unified([("P*K", "12"), ("4", "K"), ("2", "P")]) == [True, True, False]
    assert unified([("P*K", "12"), ("5", "K")]) == [True, False]
    assert unified([("N*N", "9"), ("3", "N")]) == [True, True]
    assert unified([("N*N", "8")]) == [False]


def test_a_product_bounds_its_factors() -> None:
    solver = Solver(ranges={Symbol("M"): (1, 64), Symbol("K"): (16, 16)}, rigid={Symbol("T")})
    assert solver.unify(parse_dim("T*K"), parse_dim("M"))
    assert solver.ranges[Symbol("T")] == (1, 4)
    assert not Solver(ranges={Symbol("M"): (1, 8), Symbol("K"): (16, 16)}).unify(
        parse_dim("P*K"), parse_dim("M")
    )


def test_a_product_of_what_the_caller_brings_is_no_number() -> None:
    solver = Solver(rigid={Symbol("P"), Symbol("R")})
    assert not solver.unify(parse_dim("P*K"), parse_dim("12"))
    assert not solver.unify(parse_dim("P*R"), parse_dim("12"))
    assert not solver.unify(parse_dim("P*R"), parse_dim("P"))
    assert solver.unify(parse_dim("P*R"), parse_dim("N"))
    assert solver.unify(parse_dim("R*P + 1"), parse_dim("N + 1"))
