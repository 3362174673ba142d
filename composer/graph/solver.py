"""Unification of dimensions: equations over symbols, quotients and products, solved one at a time along the edges.

An equation that cannot be solved for a symbol yet, such as `2*N = 3*M` or `(N + M) // 2 = 4`, waits for its symbols.
A factor that all of an equation has goes out of it, since no size is 0: `P*K = P*65` says that K is 65.
What has a solution is never refused; what waits to the end may have none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import gcd, isqrt, prod
from typing import Any

from composer.types import UNBOUNDED, Dim, Floor, Product, Symbol
from composer.types.dims import Atom

__all__ = ["Refused", "Solver"]

_ABSENT: object = object()
Refused = tuple[Dim, tuple[int, int]]
"""A value that lies outside the range of what it should be, and that range."""


@dataclass
class Solver:
    """What is known of each symbol: its value as a form, or the range it lies in (both ends included)."""

    solved: dict[Symbol, Dim] = field(default_factory=dict)
    ranges: dict[Symbol, tuple[int, int]] = field(default_factory=dict)
    limits: dict[Symbol, tuple[int, int]] = field(default_factory=dict)
    """The sizes that whoever brings a symbol says it can have: a module that takes less refuses it."""
    refused: Refused | None = None
    """After a failed `unify`: the value that lies outside the range of what it should be, and that range."""
    rigid: set[Symbol] = field(default_factory=set)
    """Symbols that stand for whatever the caller or a module brings, such as the length of a text: nothing may fix
    them."""
    made_from: dict[Symbol, frozenset[Symbol]] = field(default_factory=dict)
    """Rigid symbols that a node makes while it runs, to the symbols of what it reads: none of those may be taken for
    them."""
    samples: set[Symbol] = field(default_factory=set)
    """Symbols that count the samples of an input."""
    apart: dict[Symbol, str] = field(default_factory=dict)
    """Symbols that count values of which a sample may have none or several, with the input: never samples."""
    waiting: dict[Symbol, tuple[Dim, ...]] = field(default_factory=dict)
    """Symbol to the forms that must be zero and could not be solved for it yet."""
    _trail: list[tuple[dict[Symbol, Any], Symbol, Any]] = field(default_factory=list)
    _trials: int = 0

    def make(self, symbol: Symbol, read: Iterable[Symbol]) -> None:
        """A size that only a node knows, while it runs, from inputs with the symbols `read`."""
        self.rigid.add(symbol)
        self.made_from[symbol] = frozenset(s for s in read if s not in self.rigid or s in self.made_from)

    def normal(self, dim: Dim) -> Dim:
        """The dimension with every solved symbol replaced."""
        solved = self.solved
        while dim.terms:
            if len(dim.terms) == 1 and isinstance(dim.terms[0][0], Symbol):
                if dim.terms[0][0] not in solved:
                    return dim
            elif not any(symbol in solved for symbol in dim.symbols):
                return dim
            dim = dim.substitute(solved)
        return dim

    def bounds(self, dim: Dim) -> tuple[int, int]:
        """The smallest and largest value that a normal dimension can take."""
        return dim.bounds(self.ranges)

    def unify(self, given: Dim, wanted: Dim) -> bool:
        """Make two dimensions equal; False when they cannot be, and then nothing has changed.

        A symbol of `wanted` is solved before one of `given`, so that the names nearest to the inputs survive.
        """
        before = len(self._trail)
        fits = self._equate(given, wanted)
        if not fits:
            self._undo(before)
        elif not self._trials:
            self._trail.clear()
        return fits

    @contextmanager
    def trial(self) -> Iterator[None]:
        """What is unified inside is forgotten afterwards."""
        before = len(self._trail)
        self._trials += 1
        try:
            yield
        finally:
            self._trials -= 1
            self._undo(before)

    def _put(self, table: dict[Symbol, Any], key: Symbol, value: Any) -> None:
        self._trail.append((table, key, table.get(key, _ABSENT)))
        table[key] = value

    def _undo(self, length: int) -> None:
        while len(self._trail) > length:
            table, key, value = self._trail.pop()
            if value is _ABSENT:
                del table[key]
            else:
                table[key] = value

    def _equate(self, given: Dim, wanted: Dim) -> bool:
        given, wanted = self.normal(given), self.normal(wanted)
        self.refused = None
        if given == wanted:
            return True
        if (
            given.is_symbol
            and wanted.is_symbol
            and wanted.symbols[0].lasting
            and given.symbols[0] not in self.rigid
        ):
            # what a module fixes for all its calls outlives one task
            return self._assign(given.symbols[0], wanted)
        symbol = wanted.symbols[0] if wanted.is_symbol else None
        if symbol is not None and symbol not in self.rigid and symbol not in given.symbols:
            return self._assign(symbol, given)  # by far the most common edge
        return self._vanish(wanted - given, (*wanted.symbols, *given.symbols))

    def _vanish(self, form: Dim, order: Iterable[Symbol]) -> bool:
        """Make a normal form zero, by solving it for the first symbol of `order` that allows it."""
        low, high = self.bounds(form)
        if not low <= 0 <= high:
            return False
        form = self._without_common_factor(form)
        if form.is_number or not any(symbol not in self.rigid for symbol in form.symbols):
            return form.is_number
        if len(form.terms) == 1:
            return self._single(form)
        inside = {
            s for term in form.terms if not isinstance(term[0], Symbol) for s in Dim(0, (term,)).symbols
        }
        factors = {atom: c for atom, c in form.terms if isinstance(atom, Symbol)}
        candidates = [
            s for s in order if factors.get(s) in (1, -1) and s not in inside and s not in self.rigid
        ]
        for symbol in candidates:
            rest = form - Dim(0, ((symbol, factors[symbol]),))
            value = rest.scaled(-factors[symbol])
            if not self._is_circular(symbol, value):
                return self._assign(symbol, value)
        return not candidates and self._wait(form)

    def _without_common_factor(self, form: Dim) -> Dim:
        """`P*K - 65*P = 0` without the P, which is not 0."""
        if form.constant or not any(isinstance(atom, Product) for atom, _ in form.terms):
            return form
        counts = [Counter(_factors(atom)) for atom, _ in form.terms]
        shared = counts[0]
        for other in counts[1:]:
            shared = shared & other
        for factor in [f for f in shared if self.bounds(Dim(0, ((f, 1),)))[0] < 1]:
            del shared[factor]
        if not shared:
            return form
        terms = [
            (sorted((each - shared).elements(), key=str), c)
            for each, (_, c) in zip(counts, form.terms, strict=True)
        ]
        return sum((_multiplied(factors).scaled(c) for factors, c in terms), Dim())

    def _single(self, form: Dim) -> bool:
        """`3*N - 12 = 0`, or the same of a quotient or a product."""
        ((atom, coefficient),) = form.terms
        number, remainder = divmod(-form.constant, coefficient)
        if remainder:
            return False
        if isinstance(atom, Symbol):
            return self._assign(atom, Dim(number))
        if isinstance(atom, Product):
            return self._settle_product(form, atom, number)
        inner = atom.dim
        first, last = atom.divisor * number, atom.divisor * number + atom.divisor - 1
        if len(inner.terms) != 1:
            return self._wait(form)
        if not self._narrow(inner, first, last):
            return False
        symbol = inner.terms[0][0]
        if isinstance(symbol, Symbol):
            low, high = self.ranges.get(symbol, (1, UNBOUNDED))
            return low < high or self._assign(symbol, Dim(low))
        return True

    def _settle_product(self, form: Dim, product: Product, number: int) -> bool:
        """`P*K = 12`: each factor is what the others leave of the number."""
        if not self._narrow_product(product, number, number):
            return False
        first = product.factors[0]
        if isinstance(first, Symbol) and set(product.factors) == {first} and len(product.factors) == 2:
            return isqrt(number) ** 2 == number and self._assign(first, Dim(isqrt(number)))
        return self._wait(form)

    def _wait(self, form: Dim) -> bool:
        """Keep a form that must be zero; False where it cannot be: `2*N - 4*M + 3` has no whole solution.

        What is rigid can be anything, so what else is in the form must make up for every value of it.
        """
        free = [c for atom, c in form.terms if not self._is_rigid(atom)]
        divisor = gcd(*free)
        if form.constant % divisor or any(c % divisor for atom, c in form.terms if self._is_rigid(atom)):
            return False
        if any(self._is_left_over(form, symbol) for symbol in form.symbols if symbol in self.rigid):
            return False
        for symbol in form.symbols:
            if symbol not in self.rigid:
                self._put(self.waiting, symbol, (*self.waiting.get(symbol, ()), form))
        return True

    def _is_left_over(self, form: Dim, rigid: Symbol) -> bool:
        """Whether a form is a number beside products with a rigid symbol: `R*N = 12` has no N for every R."""
        low, high = self.ranges.get(rigid, (1, UNBOUNDED))
        return bool(form.constant) and low < high and all(rigid in _factors(atom) for atom, _ in form.terms)

    def _is_rigid(self, atom: Atom) -> bool:
        return all(symbol in self.rigid for symbol in Dim(0, ((atom, 1),)).symbols)

    def _is_circular(self, symbol: Symbol, value: Dim) -> bool:
        """Whether a symbol would be a size that a node makes from it."""
        return bool(self.made_from) and any(symbol in self._sources(other) for other in value.symbols)

    def _sources(self, symbol: Symbol) -> set[Symbol]:
        """Every symbol that a size which nodes make comes from."""
        found: set[Symbol] = set()
        left = [symbol]
        while left:
            for source in self.made_from.get(left.pop(), ()):
                for other in self.normal(Dim.of(source)).symbols:
                    if other not in found:
                        found.add(other)
                        left.append(other)
        return found

    def _assign(self, symbol: Symbol, value: Dim) -> bool:
        if self._is_circular(symbol, value):
            return False
        if symbol in self.samples and not self.apart.keys().isdisjoint(value.symbols):
            return False
        known = self.ranges.get(symbol)
        if known is None and value.is_linear and value.constant >= 0 and all(c > 0 for _, c in value.terms):
            if not value.terms and value.constant < 1:
                return False
            # a sum of positive parts fits a symbol without a range
            return self._solve(symbol, value)
        low, high = known or (1, UNBOUNDED)
        first, last = self.bounds(value)
        beyond = last < low or (high < UNBOUNDED and max(first, self._promised(value)) > high)
        if beyond or (len(value.terms) == 1 and not self._narrow(value, low, high)):
            self.refused = (value, (low, high))
            return False
        return self._solve(symbol, value)

    def _solve(self, symbol: Symbol, value: Dim) -> bool:
        """Put a value in the place of a symbol, and look again at what waited for it."""
        self._put(self.solved, symbol, value)
        waiting = self.waiting.get(symbol, ())
        if waiting:
            self._put(self.waiting, symbol, ())
        return all(self._vanish(self.normal(form), form.symbols) for form in waiting)

    def _promised(self, value: Dim) -> int:
        """The largest value that the symbols' owners say it can have; 0 where one of them says nothing."""
        if not value.terms or not all(symbol in self.limits for symbol in value.symbols):
            return 0
        return value.bounds(self.limits)[1]

    def _narrow(self, value: Dim, low: int, high: int) -> bool:
        """Keep `low <= value <= high` for the one symbol in it; False when no value is left."""
        ((atom, coefficient),) = value.terms
        ends = (low - value.constant, high - value.constant)
        least, most = ends if coefficient > 0 else (-ends[1], -ends[0])
        least, most = -(-least // abs(coefficient)), most // abs(coefficient)
        if high >= UNBOUNDED:
            least, most = (least, max(least, UNBOUNDED)) if coefficient > 0 else (-UNBOUNDED, most)
        if isinstance(atom, Floor):
            if len(atom.dim.terms) != 1:
                return least <= most
            return self._narrow(atom.dim, least * atom.divisor, most * atom.divisor + atom.divisor - 1)
        if isinstance(atom, Product):
            return self._narrow_product(atom, least, most)
        first, last = self.ranges.get(atom, (1, UNBOUNDED))
        first, last = max(first, least), min(last, most)
        if first > last:
            return False
        if (first, last) != self.ranges.get(atom, (1, UNBOUNDED)):
            self._put(self.ranges, atom, (first, last))
        return True

    def _narrow_product(self, product: Product, least: int, most: int) -> bool:
        """Keep `least <= product <= most`, each factor by what the others can be; False when no value is left."""
        spans = [self.bounds(Dim(0, ((factor, 1),))) for factor in product.factors]
        if any(
            first < 1 for first, _ in spans
        ):  # a quotient may be 0: what is kept of a factor would say too much
            first, last = self.bounds(Dim(0, ((product, 1),)))
            return first <= most and least <= last
        for position, factor in enumerate(product.factors):
            others = [span for number, span in enumerate(spans) if number != position]
            lows, highs = prod(first for first, _ in others), prod(last for _, last in others)
            open_ = any(last >= UNBOUNDED for _, last in others)
            low = 1 if open_ or least < 1 else -(-least // highs)
            high = most if most >= UNBOUNDED else most // lows
            if not self._narrow(Dim(0, ((factor, 1),)), low, high):
                return False
        return True


def _factors(atom: Atom) -> tuple[Symbol | Floor, ...]:
    return atom.factors if isinstance(atom, Product) else (atom,)


def _multiplied(factors: Iterable[Symbol | Floor]) -> Dim:
    result = Dim(1)
    for factor in factors:
        result = result.times(Dim(0, ((factor, 1),)))
    return result
