"""What a weights file holds, before anything of it is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Contents"]


@dataclass(frozen=True)
class Contents:
    """A function per key that maps the tensor into memory, and the file's text metadata."""

    readers: Mapping[str, Callable[[], Tensor]]
    format: str
    metadata: Mapping[str, str] = field(default_factory=dict)
    root: str = ""
    """Entry of the file, or first words of its keys, under which the tensors lie; "" where they lie at the top."""
    prefix: str = ""
    """First words of the keys that were asked for, beside the root."""
    outside: Mapping[str, int] = field(default_factory=dict)
    """Of the keys outside the root or the prefix that was asked for: their first words, and how many there are."""
