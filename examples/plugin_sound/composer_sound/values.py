"""What flows between a recording and its encoder."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["LogMel"]


class LogMel(NamedTuple):
    """A batch of spectrograms; shorter ones are filled up, and the mask hides that."""

    values: Tensor
    """float[B, T, mels]"""
    mask: Tensor
    """int64[B, T]"""
