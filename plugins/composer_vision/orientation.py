"""How a frame is turned and mirrored for display: the whole display matrix of ISO 14496-12, not only its angle."""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray

from composer.problems import InputError

__all__ = ["as_shown"]

Picture = NDArray[np.uint8]

TOLERANCE = 0.02
"""How far a matrix may be from a right angle, as a share of its length: cameras round, and a degree is 0.017."""


def as_shown(picture: Picture, matrix: bytes | None, name: str) -> Picture:
    """picture[H, W, 3] turned and mirrored as its display matrix says; [W, H, 3] after a quarter turn.

    A pixel (x, y) is shown at (a x + c y, b x + d y), where the matrix begins a, b, u, c, d. Its scale is left
    to resizing, and an empty matrix, which broken writers leave, turns nothing.

    Raises InputError for an angle that is not a right one: the model would see what no viewer shows.
    """
    if matrix is None or len(matrix) < 36:
        return picture
    a, b, _, c, d = struct.unpack("=5i", matrix[:20])
    straight, turned = _length(a, d), _length(b, c)
    if not straight and not turned:
        return picture
    if turned <= TOLERANCE * straight and a and d:
        return picture[:: _step(d), :: _step(a)]
    if straight <= TOLERANCE * turned and b and c:
        return picture.transpose(1, 0, 2)[:: _step(b), :: _step(c)]
    raise InputError(
        f"{name} is to be shown at an angle that is not a right one, or slanted: export it as it is shown"
    )


def _length(first: int, second: int) -> int:
    return max(abs(first), abs(second))


def _step(value: int) -> int:
    return -1 if value < 0 else 1
