"""Arranging: where the tasks of a picture stand on its page, so that little of the page stays empty."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Page", "arrange"]

GAP = 40.0
"""Between tasks, in both directions."""
_NARROWEST, _WIDEST, _STEP = 1000, 2200, 50


@dataclass(frozen=True)
class Page:
    """The left top corner of every task, in their order, and the size of all of them together."""

    corners: tuple[tuple[float, float], ...]
    width: float
    height: float


def arrange(sizes: Sequence[tuple[float, float]], *, least_width: float = 0.0) -> Page:
    """Rows from left to right, in the order of the tasks: of several widths of the page that which suits best.

    A small page is good, since what it holds is the same: little of it is empty. A page that is much longer than wide,
    or much wider than long, is hard to look at.

    Args:
        sizes: width and height of each task.
        least_width: what stands above the tasks and makes the page this wide at least.
    """

    def badness(page: Page) -> float:
        width = max(page.width, least_width)
        longer = max(width, page.height) / min(width, page.height)
        return width * page.height * math.sqrt(longer)

    pages = [_rows(sizes, float(limit)) for limit in range(_NARROWEST, _WIDEST + 1, _STEP)]
    return min(pages, key=badness)


def _rows(sizes: Sequence[tuple[float, float]], limit: float) -> Page:
    """Rows as wide as `limit` allows; a task that is wider stands alone in its row."""
    corners: list[tuple[float, float]] = []
    x = y = lowest = widest = 0.0
    for width, height in sizes:
        if x and x + width > limit:
            x, y = 0.0, lowest + GAP
        corners.append((x, y))
        lowest, widest = max(lowest, y + height), max(widest, x + width)
        x += width + GAP
    return Page(tuple(corners), widest, lowest)
