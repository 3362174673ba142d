"""What a processor gives for an input, held to the kind of its port: every layout of numbers becomes the kind's own.

Imports neither torch nor NumPy before there are values.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from composer.problems import InputError
from composer.types import Field, Kind

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["fields_of", "finite", "held_value", "holds_samples"]

_OBJECTS = "USO"
"""NumPy's letters for arrays of texts, and of whatever else is no number."""
_NUMBERS = "biuf"
_BYTE = (0, 255)
_WIDEST = (-(1 << 63), (1 << 63) - 1)


def holds_samples(value: object) -> bool:
    """Whether a raw value stands for several samples; a record such as `Tokens(ids, mask)` is one value, and so are the
    turns of a dialogue, maps that each have a `role` and a `content`.
    """
    if isinstance(value, list) and value and all(map(_is_turn, value)):
        return False
    return isinstance(value, list) or (isinstance(value, tuple) and not hasattr(value, "_fields"))


def _is_turn(value: object) -> bool:
    return isinstance(value, dict) and value.keys() == {"role", "content"}


def held_value(name: str, kind: Kind, value: object) -> Any:
    """The value of a port of input `name` as its kind says: a record of arrays, an array, or a list of texts.

    Numbers come in the format of the kind's field (real ones keep their width), in the machine's order of bytes, and
    forwards in memory. Raises InputError for what is not such a value, and for numbers that the format does not hold.
    """
    held = [
        None if item is None else _held_field(name, kind, label, item)
        for label, item in zip(kind.fields, fields_of(name, kind, value), strict=True)
    ]
    return held[0] if kind.record is None else kind.record(*held)


def fields_of(name: str, kind: Kind, value: Any) -> tuple[Any, ...]:
    """The parts of a value, one for each field of its kind. Raises InputError where there are others."""
    if kind.record is None:
        if isinstance(value, tuple):
            raise InputError(
                f"input `{name}` takes {kind.id}, which is one array, not a record of {len(value)}"
            )
        return (value,)
    fields = " and ".join(kind.fields)
    if not isinstance(value, tuple):
        raise InputError(f"input `{name}` takes {kind.id} with {fields}, not one array")
    if len(value) != len(kind.fields):
        raise InputError(f"input `{name}` takes {kind.id} with {fields}, not a record of {len(value)}")
    for (label, field), item in zip(kind.fields.items(), value, strict=True):
        if item is None and not field.optional:
            raise InputError(f"input `{name}` takes {kind.id} with {fields}, and its {label} is missing")
    return value


def _held_field(name: str, kind: Kind, label: str, value: Any) -> Any:
    field = kind.fields[label]
    of = f" for its {label}" if kind.record is not None else ""
    if field.dtype == "object" and isinstance(value, list):
        return value
    array = _array(value)
    if field.dtype == "object" and array.dtype.kind in _OBJECTS:
        return array.tolist()
    if field.dtype == "object" or array.dtype.kind not in _NUMBERS:
        wanted = "texts" if field.dtype == "object" else "numbers"
        raise InputError(f"input `{name}` takes {wanted}{of}, and {_given(array)} were given")
    return _plain(_numbers(f"input `{name}` takes", of, field, array))


def _given(array: NDArray[Any]) -> str:
    """What an array holds, in words."""
    if array.dtype.kind in _NUMBERS:
        return "numbers"
    if array.dtype.kind != "O":
        return "texts" if array.dtype.kind in _OBJECTS else f"{array.dtype} values"
    if all(each is None for each in array.flat):
        return "no values"
    odd = next((each for each in array.flat if not isinstance(each, (str, bytes)) and each is not None), None)
    return "texts" if odd is None else f"values of type {type(odd).__name__}"


def _array(value: Any) -> NDArray[Any]:
    """Tensors too, from any device, and formats of numbers that NumPy lacks."""
    import numpy as np

    if hasattr(value, "detach"):
        value = value.detach().cpu()
        if value.is_floating_point() and (value.element_size() < 2 or "bfloat16" in str(value.dtype)):
            value = value.float()
    array = np.asarray(value)
    if array.dtype.kind == "O" and all(
        isinstance(each, (int, float, Decimal, Fraction)) for each in array.flat
    ):
        try:
            return array.astype(np.float64)  # fractions, decimals, and numbers that are too long
        except (OverflowError, ValueError):  # a whole number of 400 digits, a decimal that signals
            raise InputError("a number that was given cannot be held in 64 bits") from None
    if array.dtype.kind == "V" and "float" in array.dtype.name:  # bfloat16, as some libraries add it to NumPy
        return array.astype(np.float32)
    return array


def _numbers(takes: str, of: str, field: Field, array: NDArray[Any]) -> NDArray[Any]:
    """The same numbers in the format of a field. Raises InputError where it does not hold them."""
    import numpy as np

    if field.dtype == "float":
        if array.dtype.kind != "f":
            return array.astype(np.float32)
        return array.astype(np.float64) if array.dtype.itemsize > 8 else array
    wanted = np.dtype(field.dtype)
    if array.dtype == wanted:
        return array
    if array.dtype.kind == "f":
        whole = np.isfinite(array) & (array == np.floor(array))
        if not whole.all():
            found = array[~whole].flat[0]
            raise InputError(f"{takes} whole numbers{of}, and {found:g} came")
    low, high = {"bool": (0, 1), "uint8": _BYTE}.get(field.dtype, _WIDEST)
    if array.size and (array.min() < low or array.max() > high):
        found = array.min() if array.min() < low else array.max()
        raise InputError(f"{takes} numbers from {low} to {high}{of}, and {found:g} came")
    return array.astype(wanted)


def _plain(array: NDArray[Any]) -> NDArray[Any]:
    """The same numbers as torch takes them: forwards, in the machine's own order of bytes, and not locked."""
    import numpy as np

    if not array.dtype.isnative:
        return array.astype(array.dtype.newbyteorder("="))
    backwards = any(stride < 0 for stride in array.strides)
    return np.array(array, order="C") if backwards or not array.flags.writeable else array


def finite(value: Any) -> bool:
    """Whether every number of arrays, in records and maps too, is finite."""
    if isinstance(value, dict):
        return all(map(finite, value.values()))
    if isinstance(value, tuple):
        return all(map(finite, value))
    import numpy as np

    numbers = isinstance(value, np.ndarray) and np.issubdtype(value.dtype, np.floating)
    return not numbers or bool(np.isfinite(value).all())
