"""Text in columns."""

from __future__ import annotations

from collections.abc import Sequence

from composer.problems.render.cells import clean, width_of

__all__ = ["columns"]


def columns(
    rows: Sequence[Sequence[str]], *, indent: str = "", right: frozenset[int] = frozenset()
) -> list[str]:
    """Rows of equal length as aligned lines; the columns in `right` are aligned at their ends, as numbers are."""
    shown = [[clean(text) for text in row] for row in rows]
    sizes = [max(map(width_of, column)) for column in zip(*shown, strict=True)]
    lines = []
    for row in shown:
        cells = []
        for index, (text, size) in enumerate(zip(row, sizes, strict=True)):
            space = " " * (size - width_of(text))
            cells.append(space + text if index in right else text + space)
        lines.append((indent + "  ".join(cells)).rstrip())
    return lines
