"""Texts with their origin: what an author wrote may be a special token, what a user typed never is one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

__all__ = ["AUTHOR", "MEDIUM", "USER", "Part", "ReadPart", "is_mark", "pattern_of", "split_specials"]

AUTHOR, USER, MEDIUM = 0, 1, 2
"""Where a position of a prompt comes from: the document (its template, padding too), what a user typed, a medium."""


class Part(NamedTuple):
    """A piece of a text; pieces follow each other without a space."""

    text: str
    typed: bool = False
    """Whether a user typed it: then nothing in it is a special token."""


class ReadPart(NamedTuple):
    """Ids, and for each where it comes from."""

    ids: list[int]
    origins: list[int]


def is_mark(token: str) -> bool:
    """Whether an added token is a mark such as `<think>` or `[IMG]`, and no word or space that a text may hold."""
    bare = token.strip()
    return len(bare) > 2 and not bare[0].isalnum() and not bare[-1].isalnum() and any(map(str.isalpha, bare))


def pattern_of(tokens: Iterable[str]) -> re.Pattern[str] | None:
    """What finds any of these tokens in a text, the longest first; None where there are none."""
    known = sorted(filter(None, tokens), key=len, reverse=True)
    return re.compile("|".join(map(re.escape, known))) if known else None


def split_specials(parts: Sequence[Part], pattern: re.Pattern[str] | None) -> Iterator[str | list[Part]]:
    """The special tokens that the author wrote, and between them what is text, each piece with its origin.

    A special token that is spelled in part by a user is text.
    """
    run: list[Part] = []
    for part in parts:
        if part.typed or pattern is None:
            run.append(part)
            continue
        place = 0
        for found in pattern.finditer(part.text):
            run.append(Part(part.text[place : found.start()]))
            if any(piece.text for piece in run):
                yield run
            yield found[0]
            run, place = [], found.end()
        run.append(Part(part.text[place:]))
    if any(piece.text for piece in run):
        yield run
