"""Sizes for the symbols of a signature, chosen so that no two things that may differ look alike."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from composer.conformance.report import Skip
from composer.types import COUNTS, Dim, Kind, Port, Signature

__all__ = ["Partition", "batch_symbol", "bindings", "partition_of", "symbols_of"]

_TRIES = 64
SMALLEST = 3

Partition = tuple[str, str, str | None]
"""Port of the counts, the symbol of the samples, the symbol of the parts (None: only the output would tell)."""


def symbols_of(ports: Mapping[str, Port]) -> dict[str, None]:
    """The symbols of the ports' dims, in order."""
    return dict.fromkeys(
        symbol for port in ports.values() for dim in port.type.dims for symbol in dim.symbols
    )


def batch_symbol(port: Port, kinds: Mapping[str, Kind]) -> str | None:
    """The symbol that counts a port's samples, where it is a plain symbol."""
    found = kinds[port.type.kind].batch_of(port.type.dims)
    return found.symbols[0] if found is not None and found.is_symbol else None


def partition_of(signature: Signature, kinds: Mapping[str, Kind]) -> Partition | None:
    """How a `counts[B]` input divides the rows of other ports among the samples."""
    for name, port in signature.inputs.items():
        samples = batch_symbol(port, kinds) if port.type.kind == COUNTS else None
        if samples is None:
            continue
        every = [*signature.inputs.values(), *signature.outputs.values()]
        parts = {batch_symbol(other, kinds) for other in every} - {samples, None}
        if len(parts) > 1:
            raise Skip(f"{name}[{samples}] may count any of {', '.join(sorted(map(str, parts)))}")
        return name, samples, next(iter(parts), None)
    return None


def bindings(signature: Signature, partition: Partition | None, number: int) -> list[dict[str, int]]:
    """Sizes for the input symbols, several times.

    No size is below 3 (torch takes 0 and 1 for constants, and a module may drop one), no two are equal within a
    binding, none is a number of the signature, and a symbol has another size in each binding; a range too narrow for
    that goes first. Parts are more than the samples they belong to.

    Quotients and products are sizes too, 2 or more. The second binding is where one becomes larger, the third one
    before it does: two quotients that differ, by their divisor or in how they round, differ at one of these.
    """
    constants = {
        dim.constant
        for port in [*signature.inputs.values(), *signature.outputs.values()]
        for dim in port.type.dims
        if dim.is_number
    }
    parts = None if partition is None else partition[2]
    symbols = sorted(
        symbols_of(signature.inputs), key=lambda symbol: symbol == parts
    )  # parts need their samples
    made: list[dict[str, int]] = []
    for index in range(number):
        sizes: dict[str, int] = {}
        for symbol in symbols:
            low, high = signature.limits(symbol)
            dims = [dim for dim in _dims_with(signature.inputs, symbol) if dim.is_linear]
            least = max(low, min(SMALLEST, high), *map(_least, dims))
            if partition is not None and symbol == parts:
                least = max(least, sizes[partition[1]] + 2)
            earlier = {other[symbol] for other in made}
            avoided = constants | set(sizes.values()) | earlier
            quotients = _quotients(signature, symbol, sizes)
            tries = range(least, min(high, least + _TRIES * max((d for _, d in quotients), default=1)) + 1)
            free = [size for size in tries if size not in avoided]
            told = (
                s for s in free if all(_tells(form, index, symbol, s, sizes, made) for form, _ in quotients)
            )
            sizes[symbol] = next(told, next(iter(free), min(least + index, high)))
        made.append(sizes)
    return made


def _dims_with(ports: Mapping[str, Port], symbol: str) -> Iterator[Dim]:
    for port in ports.values():
        yield from (dim for dim in port.type.dims if symbol in dim.symbols)


def _quotients(signature: Signature, symbol: str, sizes: Mapping[str, int]) -> list[tuple[Dim, int]]:
    """The quotients and products that are known once the symbol is, each with its largest divisor."""
    every = dict.fromkeys((*_dims_with(signature.inputs, symbol), *_dims_with(signature.outputs, symbol)))
    return [
        (dim, max((floor.divisor for floor in dim.floors), default=1))
        for dim in every
        if not dim.is_linear and {*sizes, symbol}.issuperset(dim.symbols)
    ]


def _tells(
    form: Dim, index: int, symbol: str, size: int, sizes: Mapping[str, int], made: list[dict[str, int]]
) -> bool:
    """Whether a quotient or product at this size shows what it is: see `bindings`."""
    before, here, after = (form.at({**sizes, symbol: each}) for each in (size - 1, size, size + 1))
    return (
        here > 1
        and here not in [form.at(other) for other in made]
        and ((True, before != here, here != after)[index % 3])
    )


def _least(dim: Dim) -> int:
    """How large symbols must be so that the dim does not fall below 2, as `L - 1` would at L = 2."""
    return 0 if dim.constant >= 0 else 2 - dim.constant
