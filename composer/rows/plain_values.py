"""Outputs as plain values, which JSON can hold."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["NotFinite", "not_finite", "plain"]


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


class NotFinite:
    """Counts rows whose outputs hold NaN or an infinity, which JSON cannot hold."""

    def __init__(self) -> None:
        self._found: dict[str, tuple[int, int]] = {}
        """Output → how many rows, and the first of them."""

    def see(self, row: int, outputs: Mapping[str, Any]) -> None:
        """The outputs of a row."""
        for name, value in outputs.items():
            if not _is_finite(value):
                count, first = self._found.get(name, (0, row))
                self._found[name] = count + 1, min(first, row)

    def told(self) -> Iterator[str]:
        """A sentence for each such output."""
        for name, (count, first) in self._found.items():
            rows = f"row {first}" if count == 1 else f"{count:,} rows, first in row {first}"
            yield f"warning: output `{name}` is not finite in {rows}: NaN and infinities are null in the answers"


def _is_finite(value: Any) -> bool:
    if isinstance(value, Mapping):
        value = tuple(value.values())
    if isinstance(value, (list, tuple)):
        return all(map(_is_finite, value))
    if isinstance(value, float):
        return math.isfinite(value)
    if hasattr(value, "isfinite"):
        return bool(value.isfinite().all())
    if getattr(getattr(value, "dtype", None), "kind", "") == "f":
        import numpy as np

        return bool(np.isfinite(value).all())
    return True
