"""Text as terminal cells: what each character shows as, how wide it is, and how a long line is clipped."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

__all__ = ["Clipped", "clean", "clip", "printable", "visible", "width_of"]

TAB = " " * 4
ELLIPSIS = "…"
# Characters that change the reading direction can make a line look like another one; they are shown as a mark.
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


@lru_cache(maxsize=4096)
def _cell(character: str) -> tuple[str, int]:
    """What `character` is shown as, and the number of terminal columns that this takes."""
    if character == "\t":
        return TAB, len(TAB)
    code = ord(character)
    if code < 0x20:
        return chr(0x2400 + code), 1
    if code == 0x7F:
        return "\u2421", 1
    if character in _BIDI or unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"}:
        return "\ufffd", 1
    if unicodedata.combining(character) or unicodedata.category(character) in {"Mn", "Me", "Cf"}:
        return character, 0
    return character, 2 if unicodedata.east_asian_width(character) in "WF" else 1


def clean(text: str) -> str:
    """`text` on one line, with nothing in it that could steer the terminal."""
    return "".join(" " if character in "\r\n\t" else _cell(character)[0] for character in text)


def visible(text: str) -> str:
    """One line as it is, tabs included, but with nothing in it that could steer the terminal."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(character if character == "\t" else _cell(character)[0] for character in text)


def printable(text: str) -> str:
    """`text` with its lines, each made `visible`."""
    return "\n".join(map(visible, text.split("\n")))


def width_of(text: str) -> int:
    """The number of terminal columns that `text` takes."""
    return sum(_cell(character)[1] for character in text)


@dataclass(frozen=True, slots=True)
class Clipped:
    """A line ready to be shown: its text, and the terminal column at which each of its characters begins.

    `columns` has one entry more than the line has characters: the column after the last one.
    """

    text: str
    columns: tuple[int, ...]


def clip(line: str, spans: Iterable[tuple[int, int]], width: int) -> Clipped:
    """Show `line` within `width` columns: what lies far from every span (start, end; in characters) becomes `…`."""
    kept = [(0, len(line))] if width_of(line) <= width else _windows(spans, len(line), width)
    shown, columns, column, done = [], [0] * (len(line) + 1), 0, 0
    for start, end in kept:
        columns[done : start + 1] = [column] * (start + 1 - done)
        if start > done:
            shown.append(ELLIPSIS)
            column += 1
        for index in range(start, end):
            cell, cells = _cell(line[index])
            columns[index] = column
            shown.append(cell)
            column += cells
        columns[end] = column
        done = end
    if done < len(line):
        shown.append(ELLIPSIS)
        columns[done:] = [column] * (len(line) + 1 - done)
    return Clipped("".join(shown), tuple(columns))


def _windows(spans: Iterable[tuple[int, int]], length: int, width: int) -> list[tuple[int, int]]:
    """The character ranges of a long line that are worth showing: each span with as much around it as there is room."""
    bounded = sorted((min(start, length), min(end, length, start + width)) for start, end in spans)
    low, high = 0, width  # the largest context that fits lies between these
    while low < high:
        context = (low + high + 1) // 2
        if sum(end - start + 1 for start, end in _joined(bounded, context, length)) <= width:
            low = context
        else:
            high = context - 1
    return _joined(bounded, low, length) or [(0, width)]


def _joined(spans: list[tuple[int, int]], context: int, length: int) -> list[tuple[int, int]]:
    """The spans with `context` characters on both sides; those that then touch become one."""
    windows: list[tuple[int, int]] = []
    for first, last in spans:
        start, end = max(0, first - context), min(length, last + context)
        if windows and start <= windows[-1][1] + 1:
            windows[-1] = (windows[-1][0], max(windows[-1][1], end))
        else:
            windows.append((start, end))
    return windows
