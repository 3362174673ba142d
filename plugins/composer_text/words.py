"""Splitting a text into words as BERT's published `BasicTokenizer` does.

Control characters go, white space and Chinese characters part words, capitals become small (a sigma at the end of a
word its final form, as Python's `str.lower` has it), accents go, and every punctuation mark is a word. Which
character is which is what Python's Unicode tables say, as in the published code.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator

__all__ = ["pieces", "split_words"]

PIECE = 1 << 16
"""Characters that are split at once: a long text is not held several times over."""

WHITE_SPACE = re.compile(r"[ \t\n\r]")
WORD = re.compile(r"\S+")

# The first and last of each block of Chinese characters that the published code lists.
CHINESE = (
    (0x4E00, 0x9FFF),
    (0x3400, 0x4DBF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B820, 0x2CEAF),
    (0xF900, 0xFAFF),
    (0x2F800, 0x2FA1F),
)

# Marks that Unicode calls symbols, and BERT punctuation.
ASCII_MARKS = frozenset("$+<=>^`|~")


class _Table(dict[int, "str | None"]):
    """What `str.translate` puts in the place of each character; asked once for each."""

    def __init__(self, replacement: Callable[[str], str | None]) -> None:
        super().__init__()
        self.replacement = replacement

    def __missing__(self, code: int) -> str | None:
        self[code] = found = self.replacement(chr(code))
        return found


def _clean(character: str) -> str | None:
    if character in "\t\n\r" or unicodedata.category(character) == "Zs":
        return " "
    if character == "\ufffd" or unicodedata.category(character).startswith("C"):
        return None
    if any(first <= ord(character) <= last for first, last in CHINESE):
        return f" {character} "
    return character


def _apart(character: str) -> str | None:
    category = unicodedata.category(character)
    if category == "Mn":
        return None
    if category.startswith("P") or character in ASCII_MARKS:
        return f" {character} "
    return character


CLEANED = _Table(_clean)
APART = _Table(_apart)


def pieces(text: str, start: int, end: int) -> Iterator[str]:
    """text[start:end] in stretches that end at white space, so that each can be split on its own."""
    while end - start > PIECE:
        found = WHITE_SPACE.search(text, start + PIECE, end)
        cut = found.end() if found else end
        yield text[start:cut]
        start = cut
    if start < end:
        yield text[start:end]


def split_words(text: str) -> Iterator[str]:
    """The words and marks of a text, in order."""
    lowered = text.translate(CLEANED).lower()
    parted = lowered if lowered.isascii() else unicodedata.normalize("NFD", lowered)
    for found in WORD.finditer(parted.translate(APART)):
        yield found[0]
