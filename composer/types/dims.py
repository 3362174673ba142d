"""Dimensions of port types: linear forms over named symbols, such as `4097`, `N` or `2*N + L + 1`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["Dim", "parse_dim"]

_TERM = re.compile(r"\s*(?P<sign>[+-]?)\s*(?:(?P<coefficient>\d+)\s*\*\s*)?(?P<atom>\d+|[A-Za-z_]\w*)\s*")


@dataclass(frozen=True, slots=True)
class Dim:
    """`constant + sum(coefficient * symbol)`, with the terms sorted by symbol so that equal forms compare equal."""

    constant: int = 0
    terms: tuple[tuple[str, int], ...] = ()

    @property
    def symbols(self) -> tuple[str, ...]:
        return tuple(symbol for symbol, _ in self.terms)

    @property
    def is_number(self) -> bool:
        return not self.terms

    @property
    def is_symbol(self) -> bool:
        return len(self.terms) == 1 and self.constant == 0 and self.terms[0][1] == 1

    def __add__(self, other: Dim) -> Dim:
        return _collect(self.constant + other.constant, (*self.terms, *other.terms))

    def __sub__(self, other: Dim) -> Dim:
        return self + other.scaled(-1)

    def scaled(self, factor: int) -> Dim:
        return _collect(self.constant * factor, tuple((symbol, c * factor) for symbol, c in self.terms))

    def substitute(self, values: Mapping[str, Dim]) -> Dim:
        """Replace every symbol that `values` names; the others stay."""
        if self.is_symbol:
            return values.get(self.terms[0][0], self)
        if not any(symbol in values for symbol, _ in self.terms):
            return self
        result = Dim(self.constant)
        for symbol, coefficient in self.terms:
            result += (
                values[symbol].scaled(coefficient) if symbol in values else Dim(0, ((symbol, coefficient),))
            )
        return result

    def __str__(self) -> str:
        parts = [_term_text(symbol, coefficient) for symbol, coefficient in self.terms]
        if self.constant or not parts:
            parts.append(str(self.constant))
        return " + ".join(parts).replace("+ -", "- ")


def _term_text(symbol: str, coefficient: int) -> str:
    if coefficient == 1:
        return symbol
    return f"-{symbol}" if coefficient == -1 else f"{coefficient}*{symbol}"


def _collect(constant: int, terms: tuple[tuple[str, int], ...]) -> Dim:
    if len(terms) < 2:
        return Dim(constant, tuple(term for term in terms if term[1]))
    sums: dict[str, int] = {}
    for symbol, coefficient in terms:
        sums[symbol] = sums.get(symbol, 0) + coefficient
    return Dim(constant, tuple(sorted((symbol, c) for symbol, c in sums.items() if c)))


def parse_dim(text: str | int) -> Dim:
    """Read `"2*N + 1"`; raises ValueError that quotes the text when it is no linear form."""
    if isinstance(text, int):
        return Dim(text)
    position, result = 0, Dim()
    while position < len(text) or position == 0:
        match = _TERM.match(text, position)
        if match is None or (position > 0 and not match["sign"]):
            raise ValueError(
                f"{text!r} is not a dimension: write a number, a symbol, or a sum such as 2*N + 1"
            )
        factor = int(match["coefficient"] or 1) * (-1 if match["sign"] == "-" else 1)
        atom = match["atom"]
        result += Dim(int(atom) * factor) if atom.isdigit() else Dim(0, ((atom, factor),))
        position = match.end()
    return result
