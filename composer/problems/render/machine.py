"""Output for machines: JSON that every reader takes, whatever the locale and whatever the values."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping

__all__ = ["json_bytes", "json_text"]


def json_text(value: object, *, indent: int | None = 2) -> str:
    """Strict JSON in ASCII, without a line break at the end.

    NaN and infinity, which JSON cannot write, become null. Other letters are escaped, so that neither a terminal's
    encoding nor a file name that is not UTF-8 can spoil the text.
    """
    try:
        return json.dumps(value, indent=indent, allow_nan=False)
    except ValueError:
        return json.dumps(_finite(value), indent=indent, allow_nan=False)


def json_bytes(text: str) -> bytes:
    """JSON that holds its letters as they are, as UTF-8; bytes of a file name that are not UTF-8 become escapes."""
    return text.encode(errors="backslashreplace")


def _finite(value: object) -> object:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return value
