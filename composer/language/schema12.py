"""The YAML 1.2 core schema as a resolver table for PyYAML, and the values of its scalars.

PyYAML's own table is YAML 1.1, where `no`, `on` and `1:30` are not strings. Source: YAML 1.2.2, section 10.3.2.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

__all__ = ["BOOL", "FLOAT", "INT", "MAP", "NULL", "SEQ", "STR", "resolve_scalar", "scalar_value", "shown"]

MAX_SHOWN = 120
_PREFIX = "tag:yaml.org,2002:"
STR, INT, FLOAT, BOOL, NULL, MAP, SEQ = (
    _PREFIX + name for name in ("str", "int", "float", "bool", "null", "map", "seq")
)

_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(
    r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
)
_WORDS = {
    **dict.fromkeys(("null", "Null", "NULL", "~", ""), NULL),
    **dict.fromkeys(("true", "True", "TRUE", "false", "False", "FALSE"), BOOL),
}
_NUMERIC_START = frozenset("0123456789+-.")


def resolve_scalar(text: str) -> str:
    """The tag of a plain scalar."""
    word = _WORDS.get(text)
    if word is not None:
        return word
    if text[0] in _NUMERIC_START:
        if _INT.fullmatch(text):
            return INT
        if _FLOAT.fullmatch(text):
            return FLOAT
    return STR


def _integer(text: str) -> int:
    if text.startswith("0o"):
        return int(text[2:], 8)
    return int(text, 16) if text.startswith("0x") else int(text)


def _float(text: str) -> float:
    return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))


_VALUES: dict[str, Callable[[str], object]] = {
    INT: _integer,
    FLOAT: _float,
    BOOL: lambda text: text[0] in "tT",
    NULL: lambda text: None,
}


def scalar_value(tag: str, text: str) -> Any:
    """The Python value of a scalar of one of the core tags. Raises ValueError where an explicit tag does not fit."""
    convert = _VALUES.get(tag)
    return text if convert is None else convert(text)


def shown(value: object) -> str:
    """A value in a message: as YAML writes it where Python writes it otherwise, and not at any length."""
    words = {None: "null", True: "true", False: "false"}
    if value is None or isinstance(value, bool):
        return words[value]
    if isinstance(value, str) and len(value) > MAX_SHOWN:  # before it is copied
        value = f"{value[: MAX_SHOWN - 20]}…{value[-20:]}"
    text = repr(value)
    return text if len(text) <= 2 * MAX_SHOWN else f"{text[: MAX_SHOWN - 20]}…{text[-20:]}"
