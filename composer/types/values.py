"""The record values that carry a mask together with the tensor it masks. Torch-free: fields hold any array."""

from __future__ import annotations

from typing import Any, NamedTuple

__all__ = ["States", "Tokens"]


class Tokens(NamedTuple):
    """Token ids `[B, L]` int64 with their padding mask `[B, L]` int64 (1 = real token)."""

    ids: Any
    mask: Any


class States(NamedTuple):
    """Hidden states `[B, N, D]` with their mask `[B, N]` int64 (1 = visible); `None` says that all are visible."""

    values: Any
    mask: Any = None
