"""How mPLUG-2 cleans questions and captions before they are split into tokens.

Source: the published `pre_question` and `pre_caption`, whose results are recorded in tests/golden/mplug2/aux.
"""

from __future__ import annotations

import re

__all__ = ["clean_caption", "clean_question", "cut_words"]

REMOVED = re.compile(r"[,.'!?\"()*#:;~]")
TO_SPACE = str.maketrans("-/", "  ")
SEVERAL_SPACES = re.compile(r"\s{2,}")


def clean_question(text: str) -> str:
    """Lower case, punctuation removed, hyphen and slash to a space, none at the end. Other spaces stay."""
    return _plain(text).rstrip(" ")


def clean_caption(text: str) -> str:
    """As a question; `<person>` loses its brackets, runs of white space become one, both ends are bare."""
    single = SEVERAL_SPACES.sub(" ", _plain(text).replace("<person>", "person"))
    return single.rstrip("\n").strip(" ")


def cut_words(text: str, max_words: int | None) -> str:
    """Keep the first words, counted between single spaces (a doubled space holds a word, as published)."""
    if max_words is None:
        return text
    words = text.split(" ", max_words)
    return text if len(words) <= max_words else " ".join(words[:max_words])


def _plain(text: str) -> str:
    return REMOVED.sub("", text.lower()).translate(TO_SPACE)
