"""The host side of inputs that may be left out or come several times: values of all samples in one batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from composer.execution.host_values import holds_samples
from composer.problems import InputError
from composer.types import ITEMS, Kind, PortType, Several

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["blank_ports", "is_blank", "item_places", "values_of_sample"]


def values_of_sample(name: str, several: Several, value: object, number: int) -> list[object]:
    """The values of one sample: none for None, those of a list, or the one. Raises InputError for too few or many."""
    if value is None:
        found: list[object] = []
    else:
        found = list(value) if holds_samples(value) else [value]  # type: ignore[call-overload]
    if not several.least <= len(found) <= several.most:
        span = "one value" if several.most == 1 else f"{several} values"
        raise InputError(f"input `{name}` takes {span} for a sample, and sample {number} has {len(found)}")
    if any(each is None or holds_samples(each) for each in found):
        raise InputError(
            f"input `{name}` takes a list of values for a sample: sample {number} has lists in its list"
        )
    return found


def item_places(samples: Sequence[Sequence[object]]) -> NDArray[Any]:
    """items[B, M]: the place of each sample's values among those of all, -1 where a sample has fewer."""
    import numpy as np

    places = np.full((len(samples), max(1, *map(len, samples))), -1, np.int64)
    start = 0
    for row, values in zip(places, samples, strict=True):
        row[: len(values)] = np.arange(start, start + len(values))
        start += len(values)
    return places


def is_blank(ports: Mapping[str, Any]) -> bool:
    """Whether no sample of the batch has a value of an input, so that `blank_ports` stand for it."""
    return ITEMS in ports and bool((ports[ITEMS] < 0).all())


def blank_ports(
    ports: Mapping[str, tuple[Kind, PortType]],
    limits: Mapping[str, tuple[int, int]],
    known: Mapping[str, int] | None = None,
) -> dict[str, Any]:
    """What stands for the values where there is not one in the whole batch, so that the batch is not empty.

    Nothing refers to it. Symbols have their `known` sizes, others are as small as the modules allow.
    """
    import numpy as np

    dtypes = {"float": np.float32, "int64": np.int64, "uint8": np.uint8, "bool": np.bool_}
    found: dict[str, Any] = {}
    for name, (kind, type_) in ports.items():
        if name == ITEMS:
            continue
        sizes = {
            symbol: (known or {}).get(symbol) or max(1, limits.get(symbol, (1, 1))[0])
            for dim in type_.dims
            for symbol in dim.symbols
        }
        parts: list[Any] = []
        for label, field in kind.fields.items():
            shape = [type_.dims[axis].at(sizes) for axis in field.dims]
            if field.dtype == "object":
                parts.append([""])
            else:
                parts.append(np.full(shape, int(label == kind.mask), dtypes[field.dtype]))
        found[name] = parts[0] if kind.record is None else kind.record(*parts)
    return found
