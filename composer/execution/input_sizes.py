"""The sizes of what a caller brings, held to what the inputs of a task declare: numbers and shared symbols."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from composer.problems import InputError
from composer.types import Dim, Symbol

__all__ = ["Given", "hold_sizes"]


@dataclass(frozen=True)
class Given:
    """One tensor of an input: what the input declares, and the shape that came."""

    input: str
    declared: str
    """The port type, for messages: `states[B, N, 8]`."""
    labels: Sequence[str]
    """What the kind calls each dimension: `batch`, `length`."""
    dims: Sequence[Dim]
    shape: Sequence[int]


def hold_sizes(given: Iterable[Given]) -> dict[str, int]:
    """The size of every symbol. Raises InputError where a shape is not what its input declares.

    A symbol is one size in all inputs; it is learnt where it stands alone, or else where it is the only unknown.
    """
    given = list(given)
    for item in given:
        if len(item.shape) != len(item.dims):
            raise InputError(
                f"input `{item.input}` takes {item.declared}, and a value with {len(item.shape)} dimensions came"
            )
    sizes: dict[str, int] = {}
    first: dict[str, str] = {}
    alone, before = True, -1
    while alone or before < len(sizes):  # what one form tells may be what another one lacked
        before = len(sizes)
        for item in given:
            for label, dim, size in zip(item.labels, item.dims, item.shape, strict=True):
                if dim.is_symbol == alone:
                    _hold(item, label, dim, size, sizes, first)
        alone, before = False, -1 if alone else before
    return sizes


def _hold(item: Given, label: str, dim: Dim, size: int, sizes: dict[str, int], first: dict[str, str]) -> None:
    unknown = [symbol for symbol in dim.symbols if symbol not in sizes]
    if len(unknown) == 1:
        found = _solved(dim, unknown[0], size, sizes)
        if found is not None:
            sizes[unknown[0]] = found
            first[unknown[0]] = item.input
            return
        rest = _known(dim, sizes)
        if rest.is_linear or not _is_reached(rest, unknown[0], size):
            raise InputError(f"{_came(item, label, size)}, which no {unknown[0]} makes {dim}")
    if unknown or dim.at(sizes) == size:
        return
    wanted = dim.at(sizes)
    if dim.is_number:
        raise InputError(f"{_came(item, label, size)}, not {wanted}")
    known = " and ".join(f"input `{first[s]}` has {s} = {sizes[s]}" for s in dim.symbols if s in first)
    there = "" if dim.is_symbol else f": {dim} is {wanted} there"
    raise InputError(f"{_came(item, label, size)}, and {known}{there}")


def _solved(dim: Dim, symbol: Symbol, size: int, sizes: Mapping[str, int]) -> int | None:
    """The only size of a symbol, where all others are known; None where there is none, or where it is in a quotient."""
    known = _known(dim, sizes)
    if not known.is_linear or known.is_number:
        return None
    number, remainder = divmod(size - known.constant, known.terms[0][1])
    return number if not remainder and number >= 1 else None


def _is_reached(dim: Dim, symbol: Symbol, size: int) -> bool:
    """Whether products and quotients of one symbol can come to a size; what does not rise with it is let pass."""
    if not _rises(dim):
        return True
    low = high = 1
    while dim.at({symbol: high}) < size:
        high *= 2
    while low < high:
        middle = (low + high) // 2
        if dim.at({symbol: middle}) < size:
            low = middle + 1
        else:
            high = middle
    return dim.at({symbol: low}) == size


def _rises(dim: Dim) -> bool:
    inner = all(_rises(quotient.dim) for quotient in dim.floors)
    return inner and all(coefficient > 0 for _, coefficient in dim.terms)


def _known(dim: Dim, sizes: Mapping[str, int]) -> Dim:
    return dim.substitute({Symbol(name): Dim(size) for name, size in sizes.items()})


def _came(item: Given, label: str, size: int) -> str:
    return f"input `{item.input}` takes {item.declared}, and the {label} of what came is {size}"
