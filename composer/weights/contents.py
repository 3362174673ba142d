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
    left_out: int = 0
    """Tensors outside the root that was asked for."""
