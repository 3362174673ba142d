"""GPUs by name: which compute capability an engine is built for."""

from __future__ import annotations

import re
from collections.abc import Sequence

from composer_compile.errors import BackendError

__all__ = ["NAMED", "capabilities", "capability"]

NAMED = {
    "t4": "7.5",
    "rtx2080": "7.5",
    "a100": "8.0",
    "a30": "8.0",
    "a10": "8.6",
    "a40": "8.6",
    "rtx3080": "8.6",
    "rtx3090": "8.6",
    "rtxa6000": "8.6",
    "l4": "8.9",
    "l40": "8.9",
    "l40s": "8.9",
    "rtx4080": "8.9",
    "rtx4090": "8.9",
    "rtx6000ada": "8.9",
    "h100": "9.0",
    "h200": "9.0",
    "gh200": "9.0",
    "b200": "10.0",
    "gb200": "10.0",
    "rtx5080": "12.0",
    "rtx5090": "12.0",
    "rtxpro6000": "12.0",
    "gb10": "12.1",
    "dgxspark": "12.1",
}
"""Compute capabilities as NVIDIA lists them (https://developer.nvidia.com/cuda-gpus)."""


def capability(name: str) -> str:
    """`rtx4090`, `RTX 4090`, `sm89`, `sm_89` or `8.9` → `8.9`. Raises BackendError that lists what there is."""
    plain = re.sub(r"[\s_-]", "", name.lower())
    if plain in NAMED:
        return NAMED[plain]
    number = re.fullmatch(r"(?:sm|compute)?(\d{1,2})\.?(\d)", plain)
    if number is None:
        raise BackendError(
            f"--target {name}: no GPU of that name is known; write its compute capability (8.9 or sm89), or one of "
            f"{', '.join(NAMED)}"
        )
    return f"{int(number[1])}.{number[2]}"


def capabilities(names: Sequence[str]) -> tuple[str, ...]:
    """The capabilities of several targets, each once, in ascending order."""
    found = {capability(name) for name in names}
    return tuple(sorted(found, key=lambda each: tuple(map(int, each.split(".")))))
