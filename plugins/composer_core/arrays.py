"""The modality `array`: values that are ports already, such as features that were computed before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field, PlainValidator, WithJsonSchema, field_validator

from composer.plugin import Config, Modality
from composer.types import PortType, States, parse_dim, parse_port_type

__all__ = ["ARRAY", "ArrayConfig", "ArrayProcessor", "sample"]


LARGEST = 2**40
"""No dimension of a tensor is larger."""


def _dim(value: Any) -> int | str:
    """One dimension as written; raises ValueError with what to write instead."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        shown = {None: "null", True: "true", False: "false"}.get(value) if _is_plain(value) else str(value)
        cures = {
            list: "write one flat list, such as [B, N, 768]",
            float: "a size is a whole number",
            type(None): "for a size that is not fixed write a symbol of your own, such as N",
        }
        cure = cures.get(type(value), "write a number or a symbol, such as N")
        raise ValueError(f"{str(shown)[:40]} is not a dimension: {cure}")
    dim = parse_dim(value)
    if dim.is_number and not 1 <= dim.constant <= LARGEST:
        cure = "it is larger than any tensor"
        if dim.constant < 1:
            cure = "a size is 1 or more; for one that is not fixed write a symbol of your own, such as N"
        raise ValueError(f"{str(value)[:40]} is not a dimension: {cure}")
    return value


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, bool)


ArrayDim = Annotated[
    int | str,
    PlainValidator(_dim),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1}, {"type": "string"}]}),
]


class ArrayConfig(Config):
    """`with` of an input of modality `array`."""

    kind: str
    """Registered kind of the port, such as `states`, or `states:vision` with a role; the port is called as the kind."""
    dims: list[ArrayDim] = Field(default_factory=list)
    """Its dimensions, batch first, e.g. `[B, N, 768]`: numbers, symbols, sums such as `N + 1`, quotients such as
    `S // 2` and products such as `N*M`. A symbol is one size in the whole task."""

    @field_validator("kind")
    @classmethod
    def _is_kind(cls, kind: str) -> str:
        shown = f"{kind[:40]!r} is not a kind"
        try:
            found = parse_port_type(kind)
        except ValueError:
            raise ValueError(f"{shown}: write a registered one, such as states") from None
        if found.dims or "[" in kind:
            raise ValueError(f"{shown}: write its name alone; its dimensions stand under `dims`")
        if found.has_open_role or "+" in found.role:
            raise ValueError(f"{shown}: a role is written in small letters, such as states:vision")
        return kind

    @field_validator("dims", mode="before")
    @classmethod
    def _is_list(cls, dims: Any) -> Any:
        if not isinstance(dims, list):
            raise ValueError("dims are a list, batch first, such as [B, N, 768]")
        return dims


def _ports(config: ArrayConfig) -> dict[str, PortType]:
    found = parse_port_type(config.kind)
    return {found.kind: PortType(found.kind, tuple(parse_dim(dim) for dim in config.dims), found.role)}


def sample(config: ArrayConfig) -> list[Any]:
    """Two samples whose free sizes are 3, for the conformance kit: of states with a mask, of other kinds as arrays."""
    import numpy as np

    sizes = [dim.constant if dim.is_number else 3 for dim in map(parse_dim, config.dims[1:])]
    arrays = [np.zeros(sizes, dtype="float32"), np.ones(sizes, dtype="float32")]
    if parse_port_type(config.kind).kind != "states":
        return list(arrays)
    return [States(array, np.ones(sizes[:1], dtype="int64")) for array in arrays]


class ArrayProcessor:
    """Stacks one array (or record of arrays) per sample into a batch."""

    def __init__(self, config: ArrayConfig) -> None:
        self.config = config
        (self.port,) = _ports(config)

    def encode(self, values: Sequence[Any]) -> dict[str, Any]:
        """`{kind: array [B, ...]}`, or the record of the kind. Raises InputError for wrong or unequal shapes."""
        _check_axes(values, self.config)
        return {self.port: _stacked(values)}


def _check_axes(values: Sequence[Any], config: ArrayConfig) -> None:
    import numpy as np

    from composer.problems import InputError

    records = {_is_record(value) for value in values}
    if len(records) > 1:
        raise InputError(f"some samples of {config.kind} are arrays and some are records: give records alone")
    for value in values:
        if isinstance(value, bytes) or (isinstance(value, str) and _written(value) is None):
            if len(config.dims) == 1 and isinstance(value, str):
                raise InputError(f"{value[:60]!r} is not a number")
            raise InputError(
                f"an input of modality `array` takes an array ({config.kind}), which only Python can give: "
                "model.run(NAME=array); the command line gives text"
            )
        first = value[0] if _is_record(value) else value
        if isinstance(first, Mapping):
            raise InputError(
                "an array input takes arrays, or the record of its kind such as States(values, mask)"
            )
        shape = tuple(first.shape) if hasattr(first, "shape") else np.shape(_array(first))
        if config.dims and len(shape) != len(config.dims) - 1:
            axes = ", ".join(map(str, config.dims[1:]))
            raise InputError(
                f"a sample of {config.kind} has the axes [{axes}], and one with the shape {shape} was given"
            )


def _is_record(value: Any) -> bool:
    return isinstance(value, tuple) and hasattr(value, "_fields")


def _stacked(values: Sequence[Any]) -> Any:
    import numpy as np

    from composer.problems import InputError

    first = values[0]
    if _is_record(first):
        return type(first)(*map(_column, zip(*values, strict=True)))
    arrays = [_array(value) for value in values]
    try:
        return np.stack(arrays)
    except ValueError as error:
        shapes = ", ".join(str(np.shape(value)) for value in values)
        raise InputError(f"the samples of one batch must have one shape, not {shapes}: {error}") from None


def _column(values: Sequence[Any]) -> Any:
    """One field of all samples; where some lack a mask that others have, theirs shows everything."""
    import numpy as np

    whole = next((value for value in values if value is not None), None)
    if whole is None:
        return None
    return _stacked([np.ones_like(_array(whole)) if value is None else value for value in values])


def _written(text: str) -> Any:
    """The number, or the list of numbers, that a text of a table or a command line writes; None for another text."""
    import json

    try:
        found = json.loads(text) if text.strip()[:1] in "-.0123456789[" else None
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, (int, float, list)) else None


def _array(value: Any) -> Any:
    """Tensors too, from any device: what one task gave is an input of another. Raises InputError for other things."""
    import numpy as np

    from composer.problems import InputError

    try:
        if isinstance(value, str):
            value = _written(value)
        if hasattr(value, "detach"):
            value = value.detach().cpu()
            # Formats that NumPy lacks; the model casts to its own number format.
            if value.is_floating_point() and (value.element_size() < 2 or "bfloat16" in str(value.dtype)):
                value = value.float()
        return np.asarray(value)
    except (
        ValueError,
        TypeError,
        RuntimeError,
    ) as error:  # rows of unequal length; sparse tensors, and without data
        cause = str(error).partition(". ")[0].rstrip(".")
        raise InputError(f"a {type(value).__name__} cannot be read as an array: {cause}") from None


def _refuses(config: ArrayConfig, value: object) -> str:
    """What is wrong with the default of an input: lists of numbers as deep and as long as the dimensions say."""
    if isinstance(value, str):
        value = _written(value)
    sizes = []
    while isinstance(value, list) and value:
        sizes.append(len(value))
        value = value[0]
    if not isinstance(value, int | float):
        return "numbers are expected, or lists of them"
    dims = [parse_dim(dim) for dim in config.dims[1:]]
    if not config.dims:
        return ""
    fits = len(sizes) == len(dims) and all(
        not dim.is_number or dim.constant == size for dim, size in zip(dims, sizes, strict=True)
    )
    axes = ", ".join(map(str, dims))
    return "" if fits else f"a sample has the axes [{axes}], and this one {sizes}"


ARRAY = Modality(
    "array",
    ArrayConfig,
    _ports,
    "composer_core.arrays:ArrayProcessor",
    "An array that is a port already: features, states or ids that were computed before.",
    shares_symbols=True,
    refuses=_refuses,
    examples=({"kind": "states", "dims": ["B", "N", 768]}, {"kind": "embedding", "dims": ["B", 8]}),
    sample="composer_core.arrays:sample",
)
