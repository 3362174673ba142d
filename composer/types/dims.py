"""Dimensions of port types: sums over symbols, quotients and products: `4097`, `2*N + L`, `S // 160 + 1`, `P*K`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from math import gcd, inf, prod
from typing import TypeVar, Union

__all__ = ["UNBOUNDED", "Atom", "Dim", "Floor", "Product", "Symbol"]

UNBOUNDED = 2**31 - 1
"""The one infinity of sizes: a range that goes up to it, or beyond, has no upper end."""


class Symbol(str):
    """A size that has a name: the `N` of a signature, or in a task the `N` of one node or input (`N@frames`).

    A `lasting` one belongs to a module, whose weights fix it for all its calls (`D@@projection`). It reads, compares
    and sorts as this text, in maps and in files; nothing needs to read the text again.
    """

    __slots__ = ("_lasting", "_name", "_owner")
    _name: str
    _owner: str
    _lasting: bool

    def __new__(cls, name: str, owner: str = "", lasting: bool = False) -> Symbol:
        sign = "@@" if lasting else "@"
        symbol = super().__new__(cls, f"{name}{sign}{owner}" if owner else name)
        symbol._name, symbol._owner, symbol._lasting = str(name), owner, lasting
        return symbol

    def __getnewargs__(self) -> tuple[str, str, bool]:  # type: ignore[override]
        return self._name, self._owner, self._lasting

    @property
    def name(self) -> str:
        """What it is called where it is declared."""
        return self._name

    @property
    def owner(self) -> str:
        """The node, input or module that it belongs to; empty where it stands in a declaration."""
        return self._owner

    @property
    def lasting(self) -> bool:
        """Whether it belongs to a module, so that it outlives a task."""
        return self._lasting


@dataclass(frozen=True, slots=True)
class Floor:
    """`dim // divisor`: the quotient, rounded down. Made by `Dim.floored`, which keeps one form for equal quotients."""

    dim: Dim
    divisor: int

    def __str__(self) -> str:
        inner = str(self.dim) if self.dim.is_symbol else f"({self.dim})"
        return f"{inner} // {self.divisor}"


@dataclass(frozen=True, slots=True)
class Product:
    """`P*K`: two factors or more, symbols and quotients, sorted by their text. Made by `Dim.times`."""

    factors: tuple[Symbol | Floor, ...]

    def __str__(self) -> str:
        return "*".join(f if isinstance(f, Symbol) else f"({f})" for f in self.factors)


_V = TypeVar("_V")
BySymbol = Union[Mapping[str, _V], Mapping[Symbol, _V]]
"""Something of every symbol, which those of declarations may give by their names."""

Atom = Union[Symbol, Floor, Product]
"""What a dimension is a sum of: a symbol, a quotient, or a product of these."""


@dataclass(frozen=True, slots=True)
class Dim:
    """`constant + sum(coefficient * atom)`, with the terms sorted by their text so that equal forms compare equal."""

    constant: int = 0
    terms: tuple[tuple[Atom, int], ...] = ()

    @staticmethod
    def of(symbol: str) -> Dim:
        """The dimension that is one symbol; a plain name is that of a declaration."""
        return Dim(0, ((_symbol(symbol), 1),))

    @property
    def symbols(self) -> tuple[Symbol, ...]:
        """Every symbol, those inside of quotients too, each once."""
        if len(self.terms) == 1 and isinstance(self.terms[0][0], Symbol):
            return (self.terms[0][0],)
        found: dict[Symbol, None] = {}
        for atom, _ in self.terms:
            found.update(dict.fromkeys(_symbols_of(atom)))
        return tuple(found)

    @property
    def floors(self) -> tuple[Floor, ...]:
        """Every quotient in it, those that are factors too; not those inside of quotients."""
        return tuple(f for atom, _ in self.terms for f in _factors_of(atom) if isinstance(f, Floor))

    @property
    def is_number(self) -> bool:
        return not self.terms

    @property
    def is_symbol(self) -> bool:
        return (
            len(self.terms) == 1
            and self.constant == 0
            and self.terms[0][1] == 1
            and isinstance(self.terms[0][0], Symbol)
        )

    @property
    def is_linear(self) -> bool:
        """Whether it is a sum of symbols alone, without a quotient or a product."""
        return all(isinstance(atom, Symbol) for atom, _ in self.terms)

    def __add__(self, other: Dim) -> Dim:
        return _collect(self.constant + other.constant, (*self.terms, *other.terms))

    def __sub__(self, other: Dim) -> Dim:
        return self + other.scaled(-1)

    def scaled(self, factor: int) -> Dim:
        return _collect(self.constant * factor, tuple((atom, c * factor) for atom, c in self.terms))

    def times(self, other: Dim) -> Dim:
        """`self * other`, multiplied out, so that equal products have one form."""
        terms = [
            (_product((*_factors_of(a), *_factors_of(b))), c * d)
            for a, c in self.terms
            for b, d in other.terms
        ]
        mixed = self.scaled(other.constant) + Dim(0, other.terms).scaled(self.constant)
        return _collect(mixed.constant, (*mixed.terms, *terms))

    def floored(self, divisor: int) -> Dim:
        """`self // divisor`. Raises ValueError for a divisor below 1.

        Whole multiples of the divisor leave the quotient, and quotients of quotients become one: `(S - 2) // 2 + 1` and
        `S // 2` are equal, and so are `S // 2 // 2` and `S // 4`.
        """
        if divisor < 1:
            raise ValueError("a dimension is divided by 1 or more")
        whole = _collect(self.constant // divisor, tuple((atom, c // divisor) for atom, c in self.terms))
        rest = _collect(self.constant % divisor, tuple((atom, c % divisor) for atom, c in self.terms))
        if not rest.terms:
            return whole
        inner = next((atom for atom, c in rest.terms if isinstance(atom, Floor) and c == 1), None)
        if inner is not None:
            others = rest - Dim(0, ((inner, 1),))
            return whole + (inner.dim + others.scaled(inner.divisor)).floored(divisor * inner.divisor)
        shared = gcd(divisor, *(c for _, c in rest.terms))
        if shared == 1:
            return whole + Dim(0, ((Floor(rest, divisor), 1),))
        reduced = Dim(rest.constant // shared, tuple((atom, c // shared) for atom, c in rest.terms))
        return whole + reduced.floored(divisor // shared)

    def substitute(self, values: BySymbol[Dim]) -> Dim:
        """Replace every symbol that `values` names; the others stay."""
        if len(self.terms) == 1 and self.terms[0][1] == 1 and not self.constant:
            atom = self.terms[0][0]
            if isinstance(atom, Symbol):
                return values.get(atom, self)
        if not any(symbol in values for symbol in self.symbols):
            return self
        result = Dim(self.constant)
        for atom, coefficient in self.terms:
            found = Dim(1)
            for factor in _factors_of(atom):
                if isinstance(factor, Floor):
                    part = factor.dim.substitute(values).floored(factor.divisor)
                else:
                    part = values.get(factor) or Dim.of(factor)
                found = found.times(part) if isinstance(atom, Product) else part
            result += found.scaled(coefficient)
        return result

    def renamed(self, name: Callable[[Symbol], str]) -> Dim:
        """The same form with `name(symbol)` in place of every symbol. Terms that come to read alike stay apart."""
        if not self.terms:
            return self
        if len(self.terms) == 1 and isinstance(self.terms[0][0], Symbol):
            return Dim(self.constant, ((_symbol(name(self.terms[0][0])), self.terms[0][1]),))
        terms = [(_renamed(atom, name), c) for atom, c in self.terms]
        return Dim(self.constant, tuple(sorted(terms, key=_by_text)))

    @property
    def bare(self) -> Dim:
        """The form for people: its symbols by their names, without their owners."""
        return self.renamed(lambda symbol: symbol.name)

    def at(self, sizes: BySymbol[int]) -> int:
        """The number that it is at these sizes. Raises KeyError for a symbol without one."""
        total = self.constant
        for atom, coefficient in self.terms:
            if isinstance(atom, Symbol):
                total += coefficient * sizes[atom]
            else:
                total += coefficient * prod(_factor_at(factor, sizes) for factor in _factors_of(atom))
        return total

    def at_known(self, sizes: BySymbol[int]) -> int | None:
        """The number that it is at these sizes; None while one of its symbols has none."""
        return self.at(sizes) if all(symbol in sizes for symbol in self.symbols) else None

    def bounds(self, ranges: BySymbol[tuple[int, int]], most: int = UNBOUNDED) -> tuple[int, int]:
        """The smallest and largest number that it is, where a symbol without a range is 1 to `most`.

        What has no upper end has none in sums and quotients either: there it stays UNBOUNDED, below it -UNBOUNDED.
        """
        low = high = self.constant
        falls = rises = False
        for atom, coefficient in self.terms:
            first, last, sinks, grows = _span(atom, ranges, most)
            if coefficient < 0:
                first, last, sinks, grows = last, first, grows, sinks
            low, high = low + coefficient * first, high + coefficient * last
            falls, rises = falls or sinks, rises or grows
        return min(high, -UNBOUNDED) if falls else low, max(low, UNBOUNDED) if rises else high

    def __str__(self) -> str:
        parts = [_term_text(atom, coefficient) for atom, coefficient in self.terms]
        if self.constant or not parts:
            parts.append(str(self.constant))
        return parts[0] + "".join(f" - {p[1:]}" if p.startswith("-") else f" + {p}" for p in parts[1:])


def _term_text(atom: Atom, coefficient: int) -> str:
    if coefficient == 1:
        return str(atom)
    text = f"({atom})" if isinstance(atom, Floor) else str(atom)
    return f"-{text}" if coefficient == -1 else f"{coefficient}*{text}"


def _symbol(name: str) -> Symbol:
    return name if isinstance(name, Symbol) else Symbol(name)


def _factors_of(atom: Atom) -> tuple[Symbol | Floor, ...]:
    return atom.factors if isinstance(atom, Product) else (atom,)


def _symbols_of(atom: Atom) -> tuple[Symbol, ...]:
    if isinstance(atom, Symbol):
        return (atom,)
    if isinstance(atom, Floor):
        return atom.dim.symbols
    return tuple(symbol for factor in atom.factors for symbol in _symbols_of(factor))


def _product(factors: Iterable[Symbol | Floor]) -> Product:
    return Product(tuple(sorted(factors, key=str)))


def _renamed(atom: Atom, name: Callable[[Symbol], str]) -> Atom:
    if isinstance(atom, Symbol):
        return _symbol(name(atom))
    if isinstance(atom, Floor):
        return Floor(atom.dim.renamed(name), atom.divisor)
    return _product(
        _symbol(name(f)) if isinstance(f, Symbol) else Floor(f.dim.renamed(name), f.divisor)
        for f in atom.factors
    )


def _factor_at(factor: Symbol | Floor, sizes: BySymbol[int]) -> int:
    return sizes[factor] if isinstance(factor, Symbol) else factor.dim.at(sizes) // factor.divisor


def _span(atom: Atom, ranges: BySymbol[tuple[int, int]], most: int) -> tuple[int, int, bool, bool]:
    """The smallest and largest number that an atom is, and whether it has no lower and no upper end."""
    if isinstance(atom, Symbol):
        first, last = ranges.get(atom, (1, most))
        return first, last, False, last >= UNBOUNDED
    if isinstance(atom, Floor):
        first, last = atom.dim.bounds(ranges, most)
        return first // atom.divisor, last // atom.divisor, first <= -UNBOUNDED, last >= UNBOUNDED
    ends: tuple[float, float] = (1, 1)
    for factor in atom.factors:
        first, last, sinks, grows = _span(factor, ranges, most)
        own = (-inf if sinks else first, inf if grows else last)
        corners = [0 if 0 in (one, other) else one * other for one in ends for other in own]
        ends = (min(corners), max(corners))
    sinks, grows = ends[0] == -inf, ends[1] == inf
    return -UNBOUNDED if sinks else int(ends[0]), UNBOUNDED if grows else int(ends[1]), sinks, grows


def _by_text(term: tuple[Atom, int]) -> str:
    return str(term[0])


def _collect(constant: int, terms: Iterable[tuple[Atom, int]]) -> Dim:
    terms = tuple(terms)
    if len(terms) < 2:
        return Dim(constant, tuple(term for term in terms if term[1]))
    sums: dict[Atom, int] = {}
    for atom, coefficient in terms:
        sums[atom] = sums.get(atom, 0) + coefficient
    return Dim(constant, tuple(sorted(((atom, c) for atom, c in sums.items() if c), key=_by_text)))
