"""Text in columns."""

from __future__ import annotations

from collections.abc import Sequence

from composer.problems.render.cells import width_of

__all__ = ["columns"]


def columns(
    rows: Sequence[Sequence[str]], *, indent: str = "", right: frozenset[int] = frozenset()
) -> list[str]:
    """Rows of equal length as aligned lines; the columns in `right` are aligned at their ends, as numbers are."""
    if not rows:
        return []
    sizes = [max(width_of(row[index]) for row in rows) for index in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = []
        for index, (text, size) in enumerate(zip(row, sizes, strict=True)):
            space = " " * (size - width_of(text))
            cells.append(space + text if index in right else text + space)
        lines.append((indent + "  ".join(cells)).rstrip())
    return lines
