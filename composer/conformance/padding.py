"""The promise that hidden positions play no part: padding changes nothing, and no mask means that all is visible."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from composer.conformance.cases import MethodCase
from composer.conformance.outputs import difference, tensors_of
from composer.conformance.report import Failure, Skip
from composer.conformance.sample_inputs import as_record, field_shape, fields_of, garbage, make_inputs
from composer.conformance.symbol_sizes import bindings
from composer.execution.slot_values import PortValues
from composer.types import Dim, Kind, Port

__all__ = ["ADDED", "Padding", "check_padding", "padded_inputs"]

ADDED = 3
TOKENS, TEXT = "tokens", "text"
"""The kind, and the role, of what may be padded on the left too, as prompts are; frames of a sound never are."""


class Padding(NamedTuple):
    """Hidden positions along one length of some inputs."""

    symbol: str
    side: Literal["right", "left"]

    def __str__(self) -> str:
        return f"{ADDED} hidden positions on the {self.side} along {self.symbol}"

    def corner(self, dims: Sequence[Dim], shape: Sequence[int]) -> tuple[slice, ...]:
        """Where a tensor of this shape, with these dims, lies in the padded one."""
        is_left = [self.side == "left" and self.symbol in dim.symbols for dim in dims]
        return tuple(
            slice(-size, None) if left and size else slice(0, size)
            for left, size in zip(is_left, shape, strict=True)
        )


def check_padding(case: MethodCase) -> str:
    """Each maskable length is padded with arbitrary values, hidden by the mask; what is visible must stay the same."""
    symbols = _masked_symbols(case)
    if not symbols:
        raise Skip("no input has a mask over a free length")
    sizes = bindings(case.signature, case.partition, 1)[0]
    inputs = make_inputs(case.signature, case.kinds, sizes, partition=case.partition, masks="full")
    plain = case.run(inputs)
    _check_no_mask(case, inputs, plain)
    untested = list(symbols)
    for padding, padded in padded_inputs(case, inputs, sizes):
        untested = [symbol for symbol in untested if symbol != padding.symbol]
        _compare(case, plain, case.run(padded), padding)
    if len(untested) == len(symbols):
        raise Skip(f"the range of {', '.join(untested)} leaves no room for padding")
    return f"{', '.join(untested)} has no room for padding" if untested else ""


def padded_inputs(
    case: MethodCase, inputs: PortValues, sizes: Mapping[str, int]
) -> Iterator[tuple[Padding, PortValues]]:
    """For each maskable length that has room for it: the same inputs, padded along it with what their masks hide.

    A length of text, or of whatever comes in, is padded on the left too.
    """
    for symbol, ports in _masked_symbols(case).items():
        if sizes[symbol] + ADDED <= case.signature.limits(symbol)[1]:
            yield (padding := Padding(symbol, "right")), _padded(case, inputs, sizes, padding)
            if symbol not in _named_by_values(case) and all(map(_may_be_text, ports)):
                yield (padding := Padding(symbol, "left")), _padded(case, inputs, sizes, padding)


def _masked_symbols(case: MethodCase) -> dict[str, list[Port]]:
    """Symbols that size the hidden positions of some inputs, with these."""
    found: dict[str, list[Port]] = {}
    for port in case.signature.inputs.values():
        kind = case.kinds[port.type.kind]
        for dim in (port.type.dims[axis] for axis in _mask_axes(kind) if axis != kind.batch_axis):
            if dim.is_symbol:
                found.setdefault(dim.symbols[0], []).append(port)
    return found


def _may_be_text(port: Port) -> bool:
    """Whether it takes texts: tokens, and states of text or of whatever role comes in."""
    return port.type.kind == TOKENS or port.type.role == TEXT or port.type.has_open_role


def _named_by_values(case: MethodCase) -> set[str]:
    """Symbols of dims that no field has: the values of such a port name places along them, by their numbers."""
    found: set[str] = set()
    for port in case.signature.inputs.values():
        shaped = {axis for field in case.kinds[port.type.kind].fields.values() for axis in field.dims}
        named = [dim for axis, dim in enumerate(port.type.dims) if axis not in shaped]
        found.update(symbol for dim in named for symbol in dim.symbols)
    return found


def _mask_axes(kind: Kind) -> tuple[int, ...]:
    """Which of a kind's dims its mask has: the samples first. None for a kind without a mask."""
    axes = () if kind.mask is None else kind.fields[kind.mask].dims
    return tuple(sorted(axes, key=lambda axis: axis != kind.batch_axis))


def _check_no_mask(case: MethodCase, inputs: PortValues, plain: PortValues) -> None:
    """Leaving out an optional mask is the same as one that shows everything."""
    without = {}
    for name, value in inputs.items():
        port = case.signature.inputs[name]
        kind = case.kinds[port.type.kind]
        if kind.mask is None or not kind.fields[kind.mask].optional:
            without[name] = value
        else:
            items = value if port.many else (value,)
            bare = tuple(as_record(kind, {**fields_of(kind, item), kind.mask: None}) for item in items)
            without[name] = bare if port.many else bare[0]
    ports = case.signature.outputs
    one, other = (tensors_of(values, ports, case.kinds) for values in (case.run(without), plain))
    masks = {f"{name}.{case.kinds[port.type.kind].mask}" for name, port in ports.items()}
    places = [place for place in other if place not in masks]
    found = difference({p: one[p] for p in places}, {p: other[p] for p in places})
    if found:
        raise Failure(f"no mask is not the same as a mask that shows everything: {found}")


def _padded(case: MethodCase, inputs: PortValues, sizes: Mapping[str, int], padding: Padding) -> PortValues:
    larger = {**sizes, padding.symbol: sizes[padding.symbol] + ADDED}
    generator = torch.Generator().manual_seed(7)
    padded: dict[str, object] = {}
    for name, value in inputs.items():
        port = case.signature.inputs[name]
        if not any(padding.symbol in dim.symbols for dim in port.type.dims):
            padded[name] = value
            continue
        kind = case.kinds[port.type.kind]
        items = value if port.many else (value,)
        grown = tuple(_grown(kind, port, item, larger, padding, generator) for item in items)
        padded[name] = grown if port.many else grown[0]
    return padded


def _grown(
    kind: Kind,
    port: Port,
    value: Any,
    sizes: Mapping[str, int],
    padding: Padding,
    generator: torch.Generator,
) -> Any:
    """The value in a corner of a larger one that is otherwise arbitrary, and hidden where there is a mask."""
    fields: dict[str, object] = {}
    for name, item in fields_of(kind, value).items():
        shape = field_shape(port, kind.fields[name], sizes)
        larger = garbage(kind.fields[name], shape, generator)
        if name == kind.mask:
            larger.zero_()
        dims = [port.type.dims[axis] for axis in kind.fields[name].dims]
        larger[padding.corner(dims, item.shape)] = item
        fields[name] = larger
    return as_record(kind, fields)


def _compare(case: MethodCase, plain: PortValues, padded: PortValues, padding: Padding) -> None:
    symbol = padding.symbol
    for name, port in case.signature.outputs.items():
        kind = case.kinds[port.type.kind]
        few, many = fields_of(kind, plain[name]), fields_of(kind, padded[name])
        grows = any(symbol in dim.symbols for dim in port.type.dims)
        if kind.mask is not None and grows:
            if many[kind.mask] is None:
                raise Failure(f"{name} lost its mask: positions that {symbol} hid come out visible")
            one, other = _visible(kind, few), _visible(kind, many)
        elif sum(len(dim.symbols) > 1 for dim in port.type.dims if symbol in dim.symbols):
            continue  # where the padding went in such an output, nothing says
        else:
            one = {key: item for key, item in few.items() if isinstance(item, Tensor)}
            other = {
                key: item[
                    padding.corner([port.type.dims[axis] for axis in kind.fields[key].dims], one[key].shape)
                ]
                if item.ndim == one[key].ndim
                else item
                for key, item in many.items()
                if key in one
            }
        found = difference(one, other)
        if found:
            raise Failure(f"{padding} change {name}: {found}{_advice(padding)}")


def _advice(padding: Padding) -> str:
    if padding.side == "right":
        return ""
    return (
        "; count positions from the first visible one (`composer.plugin.masks.places_from_first`), or move the text to "
        "the front (`to_front`)"
    )


def _visible(kind: Kind, fields: PortValues) -> dict[str, Tensor]:
    """The visible positions of every field that has them, sample by sample; a missing mask shows everything."""
    axes = _mask_axes(kind)
    found: dict[str, Tensor] = {}
    mask = None if kind.mask is None else fields[kind.mask]
    shown = None if mask is None else _led_by(mask, kind.fields[kind.mask or ""].dims, axes).bool()
    for name, item in fields.items():
        if not isinstance(item, Tensor) or name == kind.mask:
            continue
        if not set(axes) <= set(kind.fields[name].dims):
            found[name] = item
            continue
        values = _led_by(item, kind.fields[name].dims, axes)
        if shown is None:
            shown = torch.ones(values.shape[: len(axes)], dtype=torch.bool)
        found[name] = values[shown]
    if shown is not None:
        found["number of visible positions"] = shown.flatten(1).sum(dim=1) if shown.ndim > 1 else shown.sum()
    return found


def _led_by(item: Tensor, dims: Sequence[int], axes: Sequence[int]) -> Tensor:
    """The tensor of a field with these dims, the given ones of the kind first."""
    order = [*(dims.index(axis) for axis in axes), *(i for i, axis in enumerate(dims) if axis not in axes)]
    return item.permute(order)
