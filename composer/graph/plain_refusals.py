"""What pydantic says of a refused value, in the words of the project."""

from __future__ import annotations

import re

__all__ = ["plain_words"]

_EXPECTED = {
    "a valid integer": "a whole number",
    "a valid number": "a number",
    "a valid string": "a text",
    "a valid boolean": "true or false",
    "a valid list": "a list",
    "a valid tuple": "a list",
    "a valid dictionary": "a map",
    "a valid dictionary or instance of": "a map",
    "an object": "a map",
    "a finite number": "a finite number",
}
_BOUNDS = (
    (re.compile(r"greater than or equal to (.+)"), r"\1 or more"),
    (re.compile(r"less than or equal to (.+)"), r"\1 or less"),
    (re.compile(r"greater than (.+)"), r"more than \1"),
    (re.compile(r"less than (.+)"), r"less than \1"),
    (re.compile(r"a valid (\w+),? .*"), r"\1"),
)
_LENGTH = re.compile(r"(\w+) should have (at least|at most) (\d+) (\w+)(?: after validation, not (\d+))?")
_INPUT = "Input should be "


def plain_words(message: str) -> str:
    """`a whole number is expected` for `Input should be a valid integer`; words of the project's own stay."""
    length = _LENGTH.fullmatch(message)
    if length is not None:
        _, bound, count, noun, found = length.groups()
        nouns = "letters" if noun.startswith("character") else "entries"
        nouns = nouns if count != "1" else {"letters": "letter", "entries": "entry"}[nouns]
        there = "" if found is None else f", and there {'is' if found == '1' else 'are'} {found}"
        return f"{bound} {count} {nouns} {'is' if count == '1' else 'are'} expected{there}"
    if not message.startswith(_INPUT):
        return message
    parts = [_expected(part) for part in message.removeprefix(_INPUT).split(" or a ")]
    return f"{' or '.join(dict.fromkeys(parts))} is expected"


def _expected(text: str) -> str:
    full = text if text.startswith(("a ", "an ", "'")) or not text.startswith("valid") else f"a {text}"
    for known in sorted(_EXPECTED, key=len, reverse=True):
        if full == known or full.startswith(f"{known},") or full.startswith(f"{known} "):
            return _EXPECTED[known]
    for pattern, words in _BOUNDS:
        if pattern.fullmatch(full):
            return pattern.sub(words, full)
    return full
