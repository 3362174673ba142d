"""Whether two values that a plugin gave are the same: fields of samples, predictions, references."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import numpy as np
from torch import Tensor

__all__ = ["kept", "same"]


def kept(value: Any) -> Any:
    """The value as it is now, whatever is done to it later; of what cannot be copied, the value itself."""
    try:
        return deepcopy(value)
    except Exception:  # an open file, a lock: copying foreign values runs foreign code
        return value


def same(one: Any, other: Any) -> bool:
    """Whether two values hold the same. NaN is the same as NaN; objects without an equality of their own are not told
    apart, if they are of one type.
    """
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if type(one) is not type(other):
        return False
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, (Tensor, np.ndarray)):
        return one.shape == other.shape and one.dtype == other.dtype and _equal(one, other)
    equality: object = type(one).__eq__
    return equality is object.__eq__ or _equal(one, other)


def _equal(one: Any, other: Any) -> bool:
    equal = (one == other) | ((one != one) & (other != other))  # noqa: PLR0124 (NaN differs from itself)
    return bool(equal.all() if hasattr(equal, "all") else equal)
