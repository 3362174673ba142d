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
        """`{kind: array [B, ...]}`, or the record of the kind. Raises InputError for wrong or unequal shapes."""
        _check_axes(values, self.config)
        return {self.config.kind: _stacked(values)}


def _check_axes(values: Sequence[Any], config: ArrayConfig) -> None:
    import numpy as np

    from composer.problems import InputError

    records = {_is_record(value) for value in values}
    if len(records) > 1:
        raise InputError(f"some samples of {config.kind} are arrays and some are records: give records alone")
    for value in values:
        if isinstance(value, (str, bytes)):
            raise InputError(
                f"an input of modality `array` takes an array ({config.kind}), which only Python can give: "
                "model.run(NAME=array); the command line gives text"
            )
        first = value[0] if _is_record(value) else value
        if config.dims and not isinstance(first, Mapping) and np.ndim(first) != len(config.dims) - 1:
            axes = ", ".join(map(str, config.dims[1:]))
            raise InputError(
                f"a sample of {config.kind} has the axes [{axes}], and one with the shape {np.shape(first)} was given"
            )


def _is_record(value: Any) -> bool:
    return isinstance(value, tuple) and hasattr(value, "_fields")


def _stacked(values: Sequence[Any]) -> Any:
    import numpy as np

    from composer.problems import InputError

    first = values[0]
    if _is_record(first):
        return type(first)(
            *(None if column[0] is None else _stacked(column) for column in zip(*values, strict=True))
        )
    if isinstance(first, Mapping):
        raise InputError(
            "an array input takes arrays, or the record of its kind such as States(values, mask)"
        )
    try:
        return np.stack([_array(value) for value in values])
    except ValueError as error:
        shapes = ", ".join(str(np.shape(value)) for value in values)
        raise InputError(f"the samples of one batch must have one shape, not {shapes}: {error}") from None


def _array(value: Any) -> Any:
    """Tensors too, from any device: what one task gave is an input of another."""
    import numpy as np

    if hasattr(value, "detach"):
        value = value.detach().cpu()
        if "bfloat16" in str(value.dtype):  # which NumPy lacks; the model casts to its own number format
            value = value.float()
    return np.asarray(value)


ARRAY = Modality(
    "array",
    ArrayConfig,
    _ports,
    "composer_core.arrays:ArrayProcessor",
    "An array that is a port already: features, states or ids that were computed before.",
    shares_symbols=True,
)
