"""Whether a word can be nothing but a misspelling of another: what `--fix` may write without asking.

Two names that differ in a letter are often two things: `encoder_a` and `encoder_b`, `layer1` and `layer2`, `encoder`
and `decoder`, `vision` and `fusion`. A slip of the fingers leaves other traces: a letter is left out, doubled or
swapped with its neighbour, the case or the separator differs; the first letter of a word and every number stay.
"""

from __future__ import annotations

import re
from functools import lru_cache

__all__ = ["distance", "is_slip"]

LONGEST = 64
"""Longer words are not names, and are never taken for one."""
_TOKEN = r"[^\W\d_]+|\d+"
_SEPARATOR = r"[\s_-]+"
_ENDINGS = ("s", "r", "d")
_MIN_LETTERS, _MIN_LETTERS_OF_TWO, _MIN_LETTERS_OF_CHANGED = 4, 8, 5


def distance(word: str, other: str) -> int:
    """The number of letters to insert, leave out, change or swap with their neighbours (optimal string alignment)."""
    return _table(word, other)[-1][-1]


def _table(word: str, other: str) -> list[list[int]]:
    table = [list(range(len(other) + 1))]
    for row, letter in enumerate(word, 1):
        above = table[-1]
        line = [row]
        for column, wanted in enumerate(other, 1):
            cost = min(above[column] + 1, line[-1] + 1, above[column - 1] + (letter != wanted))
            if row > 1 and column > 1 and letter == other[column - 2] and word[row - 2] == wanted:
                cost = min(cost, table[-2][column - 2] + 1)
            line.append(cost)
        table.append(line)
    return table


@lru_cache(maxsize=256)
def is_slip(word: str, meant: str, *, coined: bool = False, stem: bool = False) -> bool:
    """Whether `word` can hardly be anything but `meant`, misspelt in one or two letters.

    Args:
        word: what was written, and is not known.
        meant: the known name.
        coined: whether authors make such names up, so that `word` may be one that was forgotten to declare. A changed
            letter then makes another name, and so do two faults in one short name.
        stem: whether the other form of a word is a name of its own: `experts` beside `expert`.
    """
    if max(len(word), len(meant)) > LONGEST or word == meant:
        return False
    if re.sub(_SEPARATOR, "", word).casefold() == re.sub(_SEPARATOR, "", meant).casefold():
        return True  # `Text-Encoder` for `text_encoder`
    word, meant = word.casefold(), meant.casefold()
    edits = distance(word, meant)
    letters = sum(map(str.isalpha, meant))
    if edits > 2 or (edits == 2 and letters < _MIN_LETTERS_OF_TWO):
        return False
    if max(len(word), len(meant)) < _MIN_LETTERS and sorted(word) != sorted(meant):
        return False
    pieces, wanted = re.findall(_TOKEN, word), re.findall(_TOKEN, meant)
    if len(pieces) != len(wanted) or re.sub(_TOKEN, "", word) != re.sub(_TOKEN, "", meant):
        return False  # a piece more or less, such as `_b`, is what tells names apart
    differing = [(a, b) for a, b in zip(pieces, wanted, strict=True) if a != b]
    if stem and any(a == b + end or b == a + end for a, b in differing for end in _ENDINGS):
        return False
    return all(_is_slip_of_a_word(a, b, coined) for a, b in differing)


def _is_slip_of_a_word(word: str, meant: str, coined: bool) -> bool:
    """One word without a separator or a number in it."""
    if not (word.isalpha() and meant.isalpha()) or min(len(word), len(meant)) < 2 or len(meant) < 3:
        return False
    swapped = sorted(word[:2]) == sorted(meant[:2])
    if word[0] != meant[0] and not swapped:
        return False
    changed = _changed(word, meant)
    return changed == 0 or (changed == 1 and not coined and len(meant) >= _MIN_LETTERS_OF_CHANGED)


def _changed(word: str, meant: str) -> int:
    """How many letters are other letters, in an alignment with the fewest edits that has the fewest of these."""
    table = _table(word, meant)
    best: dict[tuple[int, int], int] = {(0, 0): 0}
    for row in range(len(word) + 1):
        for column in range(len(meant) + 1):
            ways = []
            here = table[row][column]
            if row and column and word[row - 1] == meant[column - 1] and table[row - 1][column - 1] == here:
                ways.append(best[row - 1, column - 1])
            if row and table[row - 1][column] + 1 == here:
                ways.append(best[row - 1, column])
            if column and table[row][column - 1] + 1 == here:
                ways.append(best[row, column - 1])
            if row and column and table[row - 1][column - 1] + 1 == here:
                ways.append(best[row - 1, column - 1] + (word[row - 1] != meant[column - 1]))
            if (
                row > 1
                and column > 1
                and table[row - 2][column - 2] + 1 == here
                and _swapped(word, meant, row, column)
            ):
                ways.append(best[row - 2, column - 2])
            if ways:
                best[row, column] = min(ways)
    return best[len(word), len(meant)]


def _swapped(word: str, meant: str, row: int, column: int) -> bool:
    return word[row - 2 : row] == meant[column - 2 : column][::-1]
