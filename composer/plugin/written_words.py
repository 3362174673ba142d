"""Texts that a document writes for a search, and whether a tokenizer can write them. Needs no torch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import NamedTuple

from composer.plugin.contracts import SpellingTokenizer, Tokenizer
from composer.plugin.declarations import TextRules
from composer.plugin.stop_strings import stop_table
from composer.problems import InputError

__all__ = ["RULES", "WrittenText", "holds_run", "ids_of", "spelling", "texts_of", "unwritable"]

RULES: tuple[str, ...] = ("forbidden", "first", "last")
"""Options of `TextRules` whose texts the decoder writes, or must not."""


class WrittenText(NamedTuple):
    """A text among the options of a search."""

    option: str
    at: tuple[int, ...]
    """Where it stands in the option's list; empty where the option is the text."""
    text: str


def texts_of(config: object, *, spells: bool) -> Iterator[WrittenText]:
    """The texts of a search that its tokenizer has to do with: those of rules, and all of a policy that `spells`."""
    names = [*RULES, "stop"] if isinstance(config, TextRules) else []
    if spells:
        names += [name for name in getattr(type(config), "model_fields", {}) if name not in names]
    for name in names:
        value = getattr(config, name)
        parts = value if isinstance(value, (list, tuple)) else [value]
        for index, part in enumerate(parts):
            if isinstance(part, str):
                yield WrittenText(name, (index,) if parts is value else (), part)


def spelling(tokenizer: Tokenizer | None, what: str) -> SpellingTokenizer:
    """A tokenizer that spells, for options that hold texts. Raises InputError where it does not."""
    if not callable(getattr(tokenizer, "spell", None)):
        raise InputError(
            f"{what} holds texts, and the tokenizer of the decoder has no `spell`: write ids of tokens"
        )
    found: SpellingTokenizer = tokenizer  # type: ignore[assignment]
    return found


def ids_of(tokenizer: SpellingTokenizer, option: str, text: str) -> list[int]:
    """The ids of a text of an option. Raises InputError for one that cannot be written, or is no single token."""
    ids = list(tokenizer.spell(text))
    if option == "last" and len(ids) > 1:
        raise InputError(f"`last` is one token, and {text!r} takes {len(ids)}: {ids}")
    return ids


def unwritable(tokenizer: Tokenizer, written: WrittenText) -> str:
    """Why a tokenizer cannot write a text; empty where it can, or where it does not say how it spells."""
    if not callable(getattr(tokenizer, "spell", None)):
        return ""  # told where the search is made
    speller = spelling(tokenizer, written.option)
    if written.option == "stop":
        return _never_stops(speller, written.text)
    try:
        ids_of(speller, written.option, written.text)
    except InputError as error:
        return str(error)
    return ""


def holds_run(ids: Sequence[int], run: Sequence[int]) -> bool:
    """Whether tokens hold a run of tokens."""
    return any(list(ids[start : start + len(run)]) == list(run) for start in range(len(ids)))


def _never_stops(tokenizer: SpellingTokenizer, stop: str) -> str:
    """Why no text of a tokenizer's tokens holds a stop string; empty where one may."""
    shown = ""
    with suppress(InputError):
        shown = tokenizer.decode(tokenizer.spell(stop))
    if stop in shown:
        return ""
    table = stop_table(tokenizer, tokenizer.size, [stop])
    over, begin = len(table) - 1, len(table) - 2
    reached, waiting = {begin}, [begin]
    while waiting:
        new = set(table[waiting.pop()]) - reached
        reached |= new
        waiting += new
    if over in reached:
        return ""
    return f"no text of its tokens holds {stop!r}" + (f"; it would write {shown!r}" if shown.strip() else "")
