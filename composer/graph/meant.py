"""What a refused value was meant to be: other spellings of one value, each tried before it is offered."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from composer.language.schema12 import BOOL, FLOAT, INT, resolve_scalar, scalar_value
from composer.problems.suggest import nearest

__all__ = ["LEFT_OUT", "meant_value"]

LEFT_OUT = object()
"""The value of what is not written at all."""
_TRUE, _FALSE = ("yes", "on", "y", "true"), ("no", "off", "n", "false")
_NOTHING = ("none", "nil", "null", "undefined", "")
_GROUPED = r"[-+]?\d{1,3}([_,' ]\d{3})+"
_QUOTED = r"'([^']*)'"
MAX_LENGTH = 200


def meant_value(value: object, message: str, accepts: Callable[[object], bool]) -> str | None:
    """The hint for a refused value, where another spelling of it is accepted; None where none is."""
    for candidate, hint in _candidates(value, message):
        if accepts(candidate):
            return hint
    if isinstance(value, str) and value.strip().casefold() in _NOTHING:
        return (
            f"`{value.strip()}` is a text, and a value is needed here"
            if value.strip()
            else "a value is needed here"
        )
    return None


def _candidates(value: object, message: str) -> Iterator[tuple[object, str]]:
    if isinstance(value, str) and len(value) <= MAX_LENGTH:
        yield from _of_text(value.strip(), message)
    elif isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        yield int(value), f"write it as a whole number: `{int(value)}`"
    if isinstance(value, (bool, int, float)):
        text = str(value).lower() if isinstance(value, bool) else str(value)
        yield text, f'write it as a text: `"{text}"`'
    if isinstance(value, list) and len(value) == 1:
        yield value[0], "write the one value without brackets"
    elif not isinstance(value, (list, dict)) and value is not None:
        yield [value], "write a list, in brackets: `[...]`"
    if value is None:
        yield LEFT_OUT, "leave it out"


def _of_text(text: str, message: str) -> Iterator[tuple[object, str]]:
    tag, word = resolve_scalar(text) if text else "", text.casefold()
    if tag in (INT, FLOAT, BOOL) and len(text) < 30:
        value = scalar_value(tag, text)
        yield value, f"write it without quotes: `{text}`"
        if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
            yield int(value), f"write it as a whole number, without quotes: `{int(value)}`"
    if re.fullmatch(_GROUPED, text):
        number = re.sub(r"[^\d+-]", "", text)
        yield int(number), f"write the number without separators: `{number}`"
    if word in _TRUE:
        yield True, f"`{text}` is a text: write `true`"
    if word in _FALSE:
        yield False, f"`{text}` is a text: write `false`"
    if word in _NOTHING:
        if text:
            yield None, f"`{text}` is a text: write `null`"
        yield LEFT_OUT, f"`{text}` is a text: leave it out" if text else "it is an empty text: leave it out"
    guess = nearest(text, re.findall(_QUOTED, message))
    if guess is not None:
        yield guess, f"did you mean `{guess}`?"
