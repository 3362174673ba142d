"""What a safetensors file holds, read from its header alone: names and shapes, and what it says of itself. No torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from pathlib import Path

from composer.sources.weights_error import unreadable

__all__ = ["METADATA_KEY", "Header", "StoredTensor", "looks_like_safetensors", "read_header"]

METADATA_KEY = "composer"
"""Our metadata lies as sorted JSON under one key: the format keeps no order among several, and files must be stable."""
LENGTH_BYTES = 8
MOST_HEADER_BYTES = 100_000_000  # the format's own limit


@dataclass(frozen=True)
class StoredTensor:
    """One tensor of a file."""

    dtype: str
    """As the format writes it: `F32`, `BF16`."""
    shape: tuple[int, ...]

    @property
    def values(self) -> int:
        return prod(self.shape)


@dataclass(frozen=True)
class Header:
    """Of a file of this many bytes."""

    tensors: Mapping[str, StoredTensor]
    metadata: Mapping[str, str] = field(default_factory=dict)
    """What was written of our own; of other files nothing."""
    size: int = 0


def looks_like_safetensors(head: bytes) -> bool:
    """A header length that is possible, then the opening brace of the header."""
    length = int.from_bytes(head[:LENGTH_BYTES], "little")
    return 1 < length <= MOST_HEADER_BYTES and head[LENGTH_BYTES : LENGTH_BYTES + 1] == b"{"


def read_header(path: Path) -> Header:
    """Read the header. Raises WeightsError for a file that cannot be read, or has none."""
    try:
        with path.open("rb") as file:
            head = file.read(LENGTH_BYTES)
            text = file.read(min(int.from_bytes(head, "little"), MOST_HEADER_BYTES))
        size = path.stat().st_size
    except OSError as error:
        raise unreadable(path, error.strerror or str(error)) from None
    try:
        entries = json.loads(text)
        own = json.loads(entries.pop("__metadata__", {}).get(METADATA_KEY, "{}"))
        tensors = {
            name: StoredTensor(str(entry["dtype"]), tuple(map(int, entry["shape"])))
            for name, entry in entries.items()
        }
        return Header(tensors, {str(key): str(value) for key, value in own.items()}, size)
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise unreadable(path, f"its safetensors header is damaged ({error})") from None
