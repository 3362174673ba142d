"""Lines of a source text, split where editors split them, so that line numbers mean the same everywhere."""

from __future__ import annotations

import re

__all__ = ["newline_of", "split_lines"]

_BREAK = re.compile(r"\r\n|\n|\r")


def split_lines(text: str) -> list[str]:
    """The lines of `text` without their breaks (`\\n`, `\\r\\n` or `\\r`, and nothing else)."""
    return _BREAK.split(text)


def newline_of(text: str) -> str:
    """The line break that `text` uses: that of its first line, `\\n` where there is none."""
    match = _BREAK.search(text)
    return match.group() if match else "\n"
