"""Reading dimensions: `2*N + 1`, `S // 160 + 1`, `P*K`. Of what is not a dimension it says what to write."""

from __future__ import annotations

import re

from composer.types.dims import Dim, Product

__all__ = ["TooLargeError", "parse_dim", "parse_form"]

_REST = r"(?P<number>\d+)|(?P<sign>//|[-+*()]))\s*"
_TOKEN = re.compile(r"\s*(?:(?P<symbol>[A-Za-z_]\w*)|" + _REST, re.ASCII)
_NAMED = re.compile(r"\s*(?:(?P<symbol>\w*[A-Za-z_][\w.-]*(?:/[A-Za-z_][\w.-]*)*)|" + _REST, re.ASCII)
"""Free dimensions of a task are called after inputs and nodes, `question-2.length`, and those inside of pieces by their
paths, `first/asked.length`: signs stand apart from them."""
LONGEST = 200
"""Characters of a dimension; more is cut in messages and not read."""
MOST_DIGITS = 18
DEEPEST = 20
"""Brackets and signs within each other."""
MOST_FACTORS, MOST_TERMS = 4, 64
"""Of a product, and of the sum that it is when it is multiplied out."""
FORMS = "write a number, a symbol, a sum such as 2*N + 1, a quotient such as S // 160 + 1, or a product such as P*K"

_FREE = ("?", "*", "-", "none", "null", "any", "dynamic", "...", "…", "~", "-1")
"""How other tools write a size that is not fixed."""
_CURES = (
    (r"(\d+)\.0*", r"a size is a whole number: write \1"),
    (r"\d{1,3}([_,'’]\d{3})+", None),
    (r"[+-]?\d*\.\d+|[+-]?\d+(\.\d*)?[eE][+-]?\d+", "a size is a whole number"),
    (r"([A-Za-z_]\w*)\s*[*x×·]\s*(\d+)", r"write \2*\1"),
    (r"(\d+)\s*[x×·]?\s*([A-Za-z_]\w*)", r"write \1*\2"),
    (
        r"([A-Za-z_]\w*)\s*(?:/|÷)\s*([1-9]\d*)(?:\.0*)?",
        r"write \1 // \2 for the quotient, rounded down",
    ),
    (r"([A-Za-z_]\w*)\s*[,; ]\s*([A-Za-z_]\w*)", r"write two dimensions: \1, \2"),
)
"""Texts that are not dimensions, and what to write; compiled when the first one is met, since most starts meet none."""


class TooLargeError(ValueError):
    """A size that no tensor has: `FIRST` or more."""

    FIRST = 10**MOST_DIGITS


class _NotADimError(ValueError):
    """The text ends or goes on where no dimension does."""


class _Reader:
    """Reads one text from left to right; raises `_NotADimError` at what does not fit."""

    def __init__(self, text: str, token: re.Pattern[str]) -> None:
        self.tokens: list[tuple[str, str]] = []
        position = 0
        while position < len(text):
            match = token.match(text, position)
            if match is None or match.lastgroup is None:
                raise _NotADimError
            self.tokens.append((match.lastgroup, match[match.lastgroup]))
            position = match.end()
        self.tokens.reverse()

    def whole(self) -> Dim:
        """The whole text as one sum."""
        dim = self._sum()
        if self.tokens:
            raise _NotADimError
        return dim

    def _sum(self) -> Dim:
        dim = self._term()
        while sign := self._taken("+", "-"):
            dim = dim + self._term() if sign == "+" else dim - self._term()
        return dim

    def _term(self) -> Dim:
        """`3`, `N`, `2*N`, `P*K`, `N // 4`, `2*(N // 4)`; signs and `//` bind as in Python."""
        dim = self._atom()
        while sign := self._taken("*", "//"):
            if sign == "//":
                divisor = self._number()
                if divisor < 1:
                    raise _NotADimError
                dim = dim.floored(divisor)
            elif dim.is_number:
                dim = self._atom().scaled(dim.constant)
            else:
                dim = _multiplied(dim, self._atom())
        return dim

    def _atom(self) -> Dim:
        if sign := self._taken("+", "-"):
            return self._atom() if sign == "+" else self._atom().scaled(-1)
        if self._taken("("):
            dim = self._sum()
            if not self._taken(")"):
                raise _NotADimError
            return dim
        if self.tokens and self.tokens[-1][0] == "symbol":
            return Dim.of(self.tokens.pop()[1])
        return Dim(self._number())

    def _number(self) -> int:
        if not self.tokens or self.tokens[-1][0] != "number":
            raise _NotADimError
        digits = self.tokens.pop()[1]
        if len(digits) > MOST_DIGITS:
            raise TooLargeError(f"{digits[:40]!r} is not a dimension: it is larger than any tensor")
        return int(digits)

    def _taken(self, *wanted: str) -> str | None:
        """The next token, taken, where it is one of these signs."""
        if self.tokens and self.tokens[-1][0] == "sign" and self.tokens[-1][1] in wanted:
            return self.tokens.pop()[1]
        return None


def _multiplied(dim: Dim, other: Dim) -> Dim:
    """The product of two sums with symbols. A number stands first, as it is shown: `2*N`."""
    if other.is_number or len(dim.terms) * len(other.terms) > MOST_TERMS:
        raise _NotADimError
    found = dim.times(other)
    if any(isinstance(atom, Product) and len(atom.factors) > MOST_FACTORS for atom, _ in found.terms):
        raise _NotADimError
    return found


def parse_dim(text: str | int) -> Dim:
    """Read `"2*N + 1"` or `"S // 160 + 1"`; raises ValueError that quotes what is not a dimension, with the cure."""
    if isinstance(text, int):
        return Dim(text)
    if len(text) > LONGEST:
        raise ValueError(f"{text[:40]!r}... is not a dimension: it has {len(text):,} characters")
    try:
        if text.count("(") + text.count("-") > DEEPEST:
            raise _NotADimError
        return _Reader(text, _TOKEN).whole()
    except _NotADimError:
        raise ValueError(f"{text!r} is not a dimension: {_cure(text.strip())}") from None


def parse_form(text: str | int) -> Dim:
    """Read a dim over free dimensions, `2*question.length + 197`; raises ValueError that quotes what is not one."""
    if isinstance(text, int):
        return Dim(text)
    try:
        return _Reader(text, _NAMED).whole()
    except _NotADimError:
        raise ValueError(f"{text!r} is not a size") from None


def _cure(text: str) -> str:
    """What to write in the place of a text that is not a dimension."""
    if text.lower() in _FREE:
        return "for a size that is not fixed write a symbol of your own, such as N"
    for pattern, cure in _CURES:
        match = re.fullmatch(pattern, text, re.ASCII)
        if match is not None:
            return match.expand(cure) if cure else "write " + re.sub(r"\D", "", text)
    if not text.isascii():
        return "a symbol is made of ASCII letters, digits and `_`"
    return FORMS
