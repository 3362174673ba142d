"""Which frames of a clip a model sees.

Source: the published frame reader of mPLUG-2, whose choices are recorded in tests/golden/mplug2/aux.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

__all__ = ["frames_at_rate", "middle_frames", "padded"]


def middle_frames(frames: int, length: int) -> list[int]:
    """The middle frame of each of `frames` equal parts of a clip; a shorter clip gives all it has."""
    edges = np.linspace(0, length, min(frames, length) + 1).astype(int)
    return [(start + end - 1) // 2 for start, end in pairwise(edges.tolist())]


def frames_at_rate(rate: float, length: int, source_rate: float, most: int | None = None) -> list[int]:
    """The frame in the middle of each period of 1 / `rate` seconds; the clip has `source_rate` a second.

    No more than `most`, whatever length a header claims. A clip shorter than half a period gives none.
    """
    period = 1 / rate
    end = length / source_rate
    if most is not None:
        end = min(end, most * period)
    seconds = np.arange(period / 2, end + period / 2, period)
    return [index for index in np.around(seconds * source_rate).astype(int).tolist() if index < length]


def padded(indices: list[int], frames: int) -> list[int]:
    """Exactly `frames` indices: the first ones, the last repeated where there are too few."""
    return indices[:frames] + indices[-1:] * (frames - len(indices))
