"""The promise of a processor that a value is encoded the same wherever it stands in a batch, and alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from composer.conformance.report import Failure
from composer.conformance.sample_inputs import fields_of
from composer.execution.slot_values import PortValues
from composer.types import Kind, PortType

__all__ = ["check_rows"]

RELATIVE, ABSOLUTE = 1e-4, 1e-5
"""How far two ways to compute the same may differ."""
Encode = Callable[[Sequence[object]], PortValues]


def check_rows(
    encode: Encode, values: Sequence[object], host: Mapping[str, PortType], kinds: Mapping[str, Kind]
) -> None:
    """Raises Failure where a row depends on the order of the values, or on those beside it.

    Of kinds with a mask what it shows is compared; others where the sizes are the same.
    """
    last = len(values) - 1
    together, turned = encode(list(values)), encode(list(reversed(values)))
    for row, value in enumerate(values):
        alone = encode([value])
        for other, place, when in (
            (turned, last - row, "where the values come in another order"),
            (alone, 0, "where it comes alone"),
        ):
            for port, type_ in host.items():
                one, two = (
                    _row(kinds[type_.kind], type_, found[port], at)
                    for found, at in ((together, row), (other, place))
                )
                mask = kinds[type_.kind].mask
                differing = next(
                    (n for n in one if n in two and _differ(one[n], two[n], sized=n == mask)), None
                )
                if differing is not None:
                    what = port if kinds[type_.kind].record is None else f"{port}.{differing}"
                    raise Failure(
                        f"`encode` gives another {what} for value {row} of its `sample` {when}: a row must depend on "
                        "its own value alone"
                    )


def _row(kind: Kind, type_: PortType, value: object, row: int) -> dict[str, np.ndarray]:
    """The fields of one sample; of those that its mask covers, what it shows."""
    rows: dict[str, np.ndarray] = {}
    mask: np.ndarray | None = None
    symbols = type_.dims[kind.batch_axis].symbols if kind.batch_axis is not None else ()
    if not symbols or sum(symbols[0] in dim.symbols for dim in type_.dims) > 1:
        return rows
    for name, item in fields_of(kind, value).items():
        field = kind.fields[name]
        if item is None or field.dtype == "object" or kind.batch_axis not in field.dims:
            continue
        led = np.moveaxis(np.asarray(item), field.dims.index(kind.batch_axis), 0)
        rows[name] = led[row]
        if name == kind.mask:
            mask = led[row]
    if mask is None or kind.mask is None:
        return rows
    axes = [axis for axis in kind.fields[kind.mask].dims if axis != kind.batch_axis]
    shown = mask.astype(bool)
    for name in list(rows):
        dims = [axis for axis in kind.fields[name].dims if axis != kind.batch_axis]
        if dims[: len(axes)] == axes:
            rows[name] = rows[name][shown]
        elif name != kind.mask:
            del rows[name]
    return rows


def _differ(one: np.ndarray, other: np.ndarray, *, sized: bool) -> bool:
    if one.shape != other.shape:
        return sized  # what grows with the batch and has no mask: nothing says what belongs to the value
    if one.dtype.kind == "f":
        return not np.allclose(one, other, rtol=RELATIVE, atol=ABSOLUTE, equal_nan=True)
    return not np.array_equal(one, other)
