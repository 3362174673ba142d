"""The promise of a signature's limits: a method runs at both ends of each range, and knows the last of its ids."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import prod

import torch
from torch import Tensor
from torch.utils._pytree import tree_map_only

from composer.conformance.cases import MethodCase
from composer.conformance.held_outputs import held_outputs
from composer.conformance.sample_inputs import as_record, field_shape, fields_of, make_inputs
from composer.conformance.symbol_sizes import bindings, symbols_of
from composer.types import UNBOUNDED

__all__ = ["check_limits", "has_limits"]

MOST = 200_000
"""Numbers of an input at which a method is still run on the CPU, where lookups are held to their tables."""
LARGEST = 20_000_000
"""Beyond it, it is not run at all."""


def has_limits(case: MethodCase) -> bool:
    """Whether the signature bounds a symbol of its inputs, or says how many ids an input knows."""
    signature = case.signature
    return bool(_ends(case)) or any(
        isinstance(signature.vocabulary.get(name), int) for name in signature.inputs
    )


def check_limits(case: MethodCase) -> str:
    """Outputs are what the signature says at the smallest and the largest sizes, and for the last ids."""
    usual = bindings(case.signature, case.partition, 1)[0]
    for symbol, size in _ends(case):
        sizes = {**usual, symbol: size}
        told = f"at {symbol}={size}, which its `ranges` allow"
        _hold(
            case,
            make_inputs(case.signature, case.kinds, sizes, partition=case.partition, masks="full"),
            sizes,
            told,
        )
    inputs = make_inputs(case.signature, case.kinds, usual, partition=case.partition)
    for name, known in case.signature.vocabulary.items():
        if name in inputs and isinstance(known, int):
            found = {**inputs, name: _last_ids(case, name, inputs[name], known)}
            told = f"for the id {known - 1} in {name}, as its `vocabulary` says that it knows {known}"
            _hold(case, found, usual, told)
    return ""


def _ends(case: MethodCase) -> list[tuple[str, int]]:
    """Symbols with the sizes at which their ranges end, other than 1 and without end."""
    parts = case.partition[1:] if case.partition is not None else ()
    return [
        (symbol, size)
        for symbol in symbols_of(case.signature.inputs)
        if symbol in case.signature.ranges and symbol not in parts
        for size in dict.fromkeys(case.signature.limits(symbol))
        if size != UNBOUNDED and _numbers(case, symbol, size) <= LARGEST
    ]


def _numbers(case: MethodCase, symbol: str, size: int) -> int:
    sizes = {**bindings(case.signature, case.partition, 1)[0], symbol: size}
    return max(_counts(case, sizes), default=0)


def _counts(case: MethodCase, sizes: Mapping[str, int]) -> Iterator[int]:
    for port in case.signature.inputs.values():
        for field in case.kinds[port.type.kind].fields.values():
            yield prod(field_shape(port, field, sizes))


def _hold(case: MethodCase, inputs: dict[str, object], sizes: Mapping[str, int], told: str) -> None:
    """Run on the CPU where that is quick, and on the meta device where it is not."""
    module = case.build.module
    if max(_counts(case, sizes), default=0) > MOST:
        with torch.device("meta"):
            module = case.build.make()
        inputs = tree_map_only(Tensor, lambda tensor: tensor.to("meta"), inputs)
    held_outputs(case, lambda: case.run(inputs, module), sizes, told)


def _last_ids(case: MethodCase, name: str, value: object, size: int) -> object:
    """The same ids with the last one in each visible place; masks stay."""
    kind = case.kinds[case.signature.inputs[name].type.kind]
    fields = {
        each: torch.full_like(tensor, size - 1)
        if isinstance(tensor, Tensor) and each != kind.mask and tensor.dtype == torch.int64
        else tensor
        for each, tensor in fields_of(kind, value).items()
    }
    return as_record(kind, fields)
