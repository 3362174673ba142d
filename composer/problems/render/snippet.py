"""Excerpts of a source file with marks under the places that matter."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from composer.problems.lines import split_lines
from composer.problems.place import Place
from composer.problems.render.cells import ELLIPSIS, clean, clip, width_of
from composer.problems.render.style import Style

__all__ = ["Highlight", "snippet"]

LONG = 4096
"""Characters of a line beyond which only what lies around the marks is looked at."""


@dataclass(frozen=True, slots=True)
class Highlight:
    """A place to mark: `role` is the colour, `mark` the character (`^` for the fault itself, `-` for its reasons)."""

    place: Place
    label: str
    mark: str
    role: str

    @property
    def line(self) -> int:
        return self.place.line


@dataclass(frozen=True, slots=True)
class _Mark:
    """A span on the terminal: first column, number of columns."""

    span: Highlight
    start: int
    size: int


def snippet(spans: Iterable[Highlight], text: str, gutter: int, style: Style, width: int) -> list[str]:
    """The lines of `text` that `spans` stand on, in order, each with its marks beneath; `·` stands for a gap."""
    lines = _lines(text)
    by_line: dict[int, list[Highlight]] = {}
    for span in spans:
        if 1 <= span.line <= len(lines):
            by_line.setdefault(span.line, []).append(span)
    rows: list[str] = []
    previous = 0
    for number in sorted(by_line):
        if previous and number == previous + 2:  # the one line between says more than a dot in its place
            rows += _line_rows(number - 1, lines[number - 2], [], gutter, style, width)
        elif previous and number > previous + 2:
            rows.append(style.paint("gutter", f"{'·':>{gutter}}"))
        rows += _line_rows(number, lines[number - 1], by_line[number], gutter, style, width)
        previous = number
    return rows


@lru_cache(maxsize=8)
def _lines(text: str) -> list[str]:
    """The lines of a text; all problems of a document ask for them."""
    return split_lines(text)


def _line_rows(
    number: int, line: str, spans: list[Highlight], gutter: int, style: Style, width: int
) -> list[str]:
    """One source line and, beneath it, its marks."""
    ranges = [_characters(span.place, line) for span in spans]
    if len(line) > LONG:
        line, ranges = _shortened(line, ranges, width)
    shown = clip(line, ranges, width)
    marks = []
    for span, (start, end) in zip(spans, ranges, strict=True):
        column = shown.columns[start]
        marks.append(_Mark(span, column, max(1, shown.columns[min(end, len(line))] - column)))
    bar = style.paint("gutter", f"{'':>{gutter}} │")
    source = f"{style.paint('gutter', f'{number:>{gutter}} │')} {shown.text}".rstrip()
    return [source, *(f"{bar} {row}" for group in _groups(marks) for row in _mark_rows(group, style))]


def _shortened(line: str, ranges: list[tuple[int, int]], width: int) -> tuple[str, list[tuple[int, int]]]:
    """A very long line as what lies around its marks, and where the marks are then."""
    parts: list[tuple[int, int]] = []
    bounded = [(start, min(end, start + width)) for start, end in ranges]
    for start, end in sorted(bounded):
        low, high = max(0, start - width), min(len(line), end + width)
        if parts and low <= parts[-1][1]:
            parts[-1] = (parts[-1][0], max(high, parts[-1][1]))
        else:
            parts.append((low, high))
    begins, text = [], ""
    for low, high in parts:
        text += ELLIPSIS if low > 0 else ""
        begins.append(len(text) - low)
        text += line[low:high]
    text += ELLIPSIS if parts and parts[-1][1] < len(line) else ""

    def moved(start: int, end: int) -> tuple[int, int]:
        offset = next(begin for begin, (low, high) in zip(begins, parts, strict=True) if low <= start <= high)
        return start + offset, end + offset

    return text, [moved(start, end) for start, end in bounded]


def _characters(place: Place, line: str) -> tuple[int, int]:
    """The characters of `line` that `place` covers; a place over several lines is marked to the end of its first."""
    start = min(max(place.column - 1, 0), len(line))
    end = place.end_column - 1 if place.end_line in (0, place.line) else len(line.rstrip())
    return start, min(max(end, start + 1), max(len(line), start))


def _groups(marks: list[_Mark]) -> list[list[_Mark]]:
    """Marks that can share a row: no two of a group overlap. The first mark given stands in the first row."""
    groups: list[list[_Mark]] = []
    for mark in marks:
        for group in groups:
            if all(mark.start >= m.start + m.size or m.start >= mark.start + mark.size for m in group):
                group.append(mark)
                break
        else:
            groups.append([mark])
    return [sorted(group, key=lambda mark: mark.start) for group in groups]


def _mark_rows(group: list[_Mark], style: Style) -> list[str]:
    """The marks of a group in one row, the last one's label beside it, the others' labels hanging beneath theirs."""
    rows = [_row([(mark.start, mark.span.mark * mark.size, mark.span.role) for mark in group], style)]
    last = group[-1]
    if last.span.label:
        rows[0] += " " + style.paint(last.span.role, clean(last.span.label))
    hanging = [mark for mark in group[:-1] if mark.span.label]
    while hanging:
        mark = hanging.pop()
        parts = [(left.start, "│", left.span.role) for left in hanging]
        rows.append(_row([*parts, (mark.start, clean(mark.span.label), mark.span.role)], style))
    return rows


def _row(parts: list[tuple[int, str, str]], style: Style) -> str:
    """Painted pieces, each at its column."""
    row, column = "", 0
    for start, text, role in parts:
        row += " " * (start - column) + style.paint(role, text)
        column = start + width_of(text)
    return row
