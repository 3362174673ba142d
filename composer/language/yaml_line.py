"""A value as YAML on one line, which every reader of YAML reads back as that value."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping

from composer.language.schema12 import STR, resolve_scalar

__all__ = ["yaml_line"]

_PLAIN = re.compile(r"[A-Za-z_./$][\w./$-]*(?: [\w./$-]+)*", re.ASCII)
_WORDS_OF_1_1 = frozenset({"yes", "no", "on", "off", "y", "n"})
"""Truth values to readers of YAML 1.1, beside those of 1.2."""


def yaml_line(value: object) -> str:
    """Texts in quotes where they need some, maps and lists in their short form, and JSON for all else.

    Of a name that is not UTF-8, YAML can hold no other letter than U+FFFD in the place of each foreign byte.
    """
    if isinstance(value, str):
        return value if _is_plain(value) else _quoted(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{yaml_line(key)}: {yaml_line(item)}" for key, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(yaml_line, value)) + "]"
    if isinstance(value, float) and not math.isfinite(value):
        return ".nan" if math.isnan(value) else ".inf" if value > 0 else "-.inf"
    return json.dumps(value)


def _is_plain(text: str) -> bool:
    if _PLAIN.fullmatch(text) is None or text.lower() in _WORDS_OF_1_1:
        return False
    return resolve_scalar(text) == STR and resolve_scalar(text.lower()) == STR


def _quoted(text: str) -> str:
    """In double quotes. What a file of YAML must not hold as it is, such as a tab or U+2028, is an escape."""
    return "".join(map(_escaped, json.dumps(text, ensure_ascii=False)))


def _escaped(letter: str) -> str:
    if letter.isprintable():
        return letter
    code = ord(letter)
    if 0xD800 <= code < 0xE000:
        return "\ufffd"
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
