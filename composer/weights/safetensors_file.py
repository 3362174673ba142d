"""Reading one safetensors file, memory-mapped: a tensor costs no memory of its own until it is written to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from composer.files import utf8_name
from composer.sources.safetensors_header import LENGTH_BYTES, METADATA_KEY, looks_like_safetensors
from composer.sources.weights_error import unreadable
from composer.weights.contents import Contents

__all__ = ["METADATA_KEY", "looks_like_safetensors", "read_safetensors"]


def read_safetensors(path: Path) -> Contents:
    """Map the file. Raises WeightsError when the header is damaged or tensors are cut off."""
    from safetensors import SafetensorError, safe_open

    try:
        with utf8_name(path) as name:
            handle: Any = safe_open(name, framework="pt", device="cpu")
        metadata = handle.metadata() or {}
        readers = {key: partial(handle.get_tensor, key) for key in handle.keys()}  # noqa: SIM118 (not a mapping)
    except OSError as error:
        raise unreadable(path, error.strerror or str(error)) from None
    except SafetensorError as error:
        raise unreadable(path, _damage(path, str(error)), "fetch or copy it again") from None
    return Contents(readers, "safetensors", _own_metadata(metadata))


def _damage(path: Path, message: str) -> str:
    """Say how many bytes are lacking where the header tells; otherwise hand on the library's reason."""
    found = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(LENGTH_BYTES), "little")
        header = file.read(length)
    needed = LENGTH_BYTES + length
    if found >= needed:
        try:
            tensors = json.loads(header)
            needed += max(
                (entry["data_offsets"][1] for name, entry in tensors.items() if name[0] != "_"), default=0
            )
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
            return f"its safetensors header is damaged ({message})"
    if found < needed:
        return f"the safetensors file is truncated: {needed} bytes are announced and {found} are there"
    return f"its safetensors header is damaged ({message})"


def _own_metadata(metadata: Mapping[str, str]) -> Mapping[str, str]:
    try:
        own = json.loads(metadata.get(METADATA_KEY, "null"))
    except (ValueError, RecursionError):
        return metadata
    return own if isinstance(own, dict) else metadata
