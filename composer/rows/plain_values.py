"""Outputs as plain values, which JSON can hold."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

__all__ = ["not_finite", "plain"]


def plain(value: Any) -> Any:
    """Tensors, arrays and records as lists and maps; what JSON does not know as its text."""
    if value is None or isinstance(value, (str, int, float)):
        return value
    if hasattr(value, "_asdict"):
        return {name: plain(item) for name, item in value._asdict().items()}
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):
        return value.tolist()
    return f"{len(value)} bytes" if isinstance(value, bytes) else str(value)


def not_finite(value: Any) -> tuple[int, int]:
    """How many numbers of a plain value are NaN or infinite, and how many there are."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list):
        counts = [not_finite(item) for item in value]
        return sum(broken for broken, _ in counts), sum(count for _, count in counts)
    if isinstance(value, float):
        return int(not math.isfinite(value)), 1
    return 0, 1
