"""Symbols of dimensions: values with a name and an owner, and one text that says both."""

from __future__ import annotations

import copy
import json
import pickle

import pytest

from composer.types import Dim, Symbol, parse_dim

SYMBOLS = {
    "N": Symbol("N"),
    "N@frames": Symbol("N", "frames"),
    "N@@frames": Symbol("N", "frames", lasting=True),
}


@pytest.mark.parametrize(("text", "symbol"), SYMBOLS.items(), ids=list(SYMBOLS))
def test_a_symbol_reads_as_one_text(text: str, symbol: Symbol) -> None:
    assert str(symbol) == text
    assert f"{Dim.of(symbol).scaled(2)}" == f"2*{text}"
    assert json.dumps({symbol: symbol}) == json.dumps({text: text})


@pytest.mark.parametrize("symbol", SYMBOLS.values(), ids=list(SYMBOLS))
@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda s: pickle.loads(pickle.dumps(s))])
def test_a_copy_is_the_same_value(symbol: Symbol, again: type) -> None:
    other = again(symbol)
    assert other == symbol
    assert (other.name, other.owner, other.lasting) == (symbol.name, symbol.owner, symbol.lasting)


def test_a_symbol_is_not_changed() -> None:
    with pytest.raises(AttributeError):
        SYMBOLS["N"].owner = "frames"  # type: ignore[misc]


def test_symbols_of_two_owners_are_two() -> None:
    assert len(set(SYMBOLS.values())) == 3
    total = sum((Dim.of(symbol) for symbol in SYMBOLS.values()), Dim())
    assert set(total.symbols) == set(SYMBOLS.values())
    assert (total - Dim.of(SYMBOLS["N@frames"])).symbols == (SYMBOLS["N"], SYMBOLS["N@@frames"])


def test_the_names_of_a_declaration_have_no_owner() -> None:
    assert all(
        (symbol.name, symbol.owner, symbol.lasting) == (str(symbol), "", False)
        for symbol in parse_dim("2*N + (S - 1) // 2").symbols
    )


def test_a_form_without_owners_keeps_its_numbers() -> None:
    owned = parse_dim("2*N + (S - 1) // 2").renamed(lambda symbol: Symbol(symbol.name, "clip"))
    assert {symbol.owner for symbol in owned.symbols} == {"clip"}
    assert owned.bare == parse_dim("2*N + (S - 1) // 2")


def test_plain_names_stand_for_symbols_of_declarations() -> None:
    assert parse_dim("2*N + 1").at({"N": 3}) == parse_dim("2*N + 1").at({Symbol("N"): 3}) == 7
    assert Dim.of("N") == Dim.of(Symbol("N"))
    assert Dim.of("N").substitute({"N": Dim.of(Symbol("N", "clip"))}).symbols == (Symbol("N", "clip"),)
