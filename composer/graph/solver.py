"""Unification of dimensions: linear equations over symbols, solved one at a time along the edges."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import gcd

from composer.types import Dim

__all__ = ["Solver"]

MANY = 1 << 40


@dataclass
class Solver:
    """What is known of each symbol: its value as a linear form, or the range it lies in (both ends included)."""

    solved: dict[str, Dim] = field(default_factory=dict)
    ranges: dict[str, tuple[int, int]] = field(default_factory=dict)
    limits: dict[str, tuple[int, int]] = field(default_factory=dict)
    """The sizes that whoever brings a symbol says it can have: a module that takes less refuses it."""
    refused: tuple[Dim, tuple[int, int]] | None = None
    """After a failed `unify`: the value that lies outside the range of what it should be, and that range."""
    rigid: set[str] = field(default_factory=set)
    """Symbols that stand for whatever the caller brings, such as the length of a text: nothing may fix them."""

    def normal(self, dim: Dim) -> Dim:
        """The dimension with every solved symbol replaced."""
        solved = self.solved
        while dim.terms:
            if len(dim.terms) == 1:
                if dim.terms[0][0] not in solved:
                    return dim
            elif not any(symbol in solved for symbol, _ in dim.terms):
                return dim
            dim = dim.substitute(solved)
        return dim

    def bounds(self, dim: Dim) -> tuple[int, int]:
        """The smallest and largest value that a normal dimension can take."""
        low = high = dim.constant
        for symbol, coefficient in dim.terms:
            first, last = self.ranges.get(symbol, (1, MANY))
            ends = sorted((coefficient * first, coefficient * last))
            low, high = low + ends[0], high + ends[1]
        return low, high

    def unify(self, given: Dim, wanted: Dim) -> bool:
        """Make two dimensions equal; False when they cannot be, and then nothing has changed.

        A symbol of `wanted` is solved before one of `given`, so that the names nearest to the inputs survive.
        """
        given, wanted = self.normal(given), self.normal(wanted)
        self.refused = None
        if given == wanted:
            return True
        if (
            given.is_symbol
            and wanted.is_symbol
            and "@@" in wanted.terms[0][0]
            and given.terms[0][0] not in self.rigid
        ):
            # what a module fixes for all its calls outlives one task
            return self._assign(given.terms[0][0], wanted)
        symbol = wanted.terms[0][0] if wanted.is_symbol else None
        if symbol is not None and symbol not in self.rigid and symbol not in given.symbols:
            return self._assign(symbol, given)  # by far the most common edge
        difference = wanted - given
        if not difference.terms:
            return False
        left = dict(difference.terms)
        open_symbols = [s for s in (*wanted.symbols, *given.symbols) if s in left and s not in self.rigid]
        if not open_symbols:
            return False
        if len(left) == 1:
            ((symbol, coefficient),) = left.items()
            number, remainder = divmod(-difference.constant, coefficient)
            return not remainder and self._assign(symbol, Dim(number))
        candidates = [s for s in open_symbols if left[s] in (1, -1)]
        if not candidates:
            return self._divisible(difference)
        symbol = candidates[0]
        coefficient = dict(difference.terms)[symbol]
        rest = difference - Dim(0, ((symbol, coefficient),))
        return self._assign(symbol, rest.scaled(-coefficient))

    def _assign(self, symbol: str, value: Dim) -> bool:
        known = self.ranges.get(symbol)
        if known is None and value.constant >= 0 and all(c > 0 for _, c in value.terms):
            if not value.terms and value.constant < 1:
                return False
            self.solved[symbol] = value  # a sum of positive parts fits a symbol without a range
            return True
        low, high = known or (1, MANY)
        first, last = self.bounds(value)
        beyond = last < low or first > high or self._promised(value) > high
        if beyond or (len(value.terms) == 1 and not self._narrow(value, low, high)):
            self.refused = (value, (low, high))
            return False
        self.solved[symbol] = value
        return True

    def _promised(self, value: Dim) -> int:
        """The largest value that the symbols' owners say it can have; 0 where one of them says nothing."""
        most = value.constant
        for symbol, coefficient in value.terms:
            if symbol not in self.limits:
                return 0
            most += coefficient * self.limits[symbol][1 if coefficient > 0 else 0]
        return most if value.terms else 0

    def _narrow(self, value: Dim, low: int, high: int) -> bool:
        """Keep `low <= value <= high` for the one symbol in it; False when no value is left."""
        ((symbol, coefficient),) = value.terms
        ends = (low - value.constant, high - value.constant)
        least, most = ends if coefficient > 0 else (-ends[1], -ends[0])
        first, last = self.ranges.get(symbol, (1, MANY))
        first, last = max(first, -(-least // abs(coefficient))), min(last, most // abs(coefficient))
        if first > last:
            return False
        self.ranges[symbol] = (first, last)
        return True

    def _divisible(self, difference: Dim) -> bool:
        """`2*N - 4*M + 3 = 0` has no whole solution; where one may exist it is left open."""
        divisor = gcd(*(coefficient for _, coefficient in difference.terms))
        first, last = self.bounds(difference)
        return difference.constant % divisor == 0 and first <= 0 <= last
