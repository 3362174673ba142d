"""The modality `array`: values that are ports already, such as features that were computed before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field

from composer.plugin import Config, Modality
from composer.types import Dim, PortType, parse_dim

__all__ = ["ARRAY", "ArrayConfig", "ArrayProcessor"]


class ArrayConfig(Config):
    """`with` of an input of modality `array`."""

    kind: str
    """Registered kind of the port, such as `states`; the port has the same name."""
    dims: list[int | str] = Field(default_factory=list)
    """Its dimensions, batch first: numbers and symbols, e.g. `[B, N, 768]`. A symbol is one size in the whole task."""


def _ports(config: ArrayConfig) -> dict[str, PortType]:
    dims: tuple[Dim, ...] = tuple(parse_dim(dim) for dim in config.dims)
    return {config.kind: PortType(config.kind, dims)}


class ArrayProcessor:
    """Stacks one array (or record of arrays) per sample into a batch."""

    def __init__(self, config: ArrayConfig) -> None:
        self.config = config

    def encode(self, values: Sequence[Any]) -> dict[str, Any]:
        """`{kind: array [B, ...]}`, or the record of the kind. Raises InputError for samples of unequal shape."""
        return {self.config.kind: _stacked(values)}


def _stacked(values: Sequence[Any]) -> Any:
    import numpy as np

    from composer.problems import InputError

    first = values[0]
    if isinstance(first, tuple) and hasattr(first, "_fields"):
        return type(first)(
            *(None if column[0] is None else _stacked(column) for column in zip(*values, strict=True))
        )
    if isinstance(first, Mapping):
        raise InputError(
            "an array input takes arrays, or the record of its kind such as States(values, mask)"
        )
    try:
        return np.stack([np.asarray(value) for value in values])
    except ValueError as error:
        shapes = ", ".join(str(np.shape(value)) for value in values)
        raise InputError(f"the samples of one batch must have one shape, not {shapes}: {error}") from None


ARRAY = Modality(
    "array",
    ArrayConfig,
    _ports,
    "composer_core.arrays:ArrayProcessor",
    "An array that is a port already: features, states or ids that were computed before.",
    shares_symbols=True,
)
