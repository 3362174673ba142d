"""Regular expressions whose time grows with the length of the text alone: RE2's.

A text that a model wrote is anyone's text, and Python's engine can take exponential time for a pattern such as
`(a|a)*b`.
"""

from __future__ import annotations

import re

import re2

__all__ = ["Pattern"]

MOST_BYTES = 1 << 20
"""Of a pattern's program; counted repeats are written out in it."""
_LONE = re.compile(r"[\ud800-\udfff]")
"""What a text of Python may hold and UTF-8 cannot: from JSON (`"\\ud800"`), or bytes of a command line."""
_NAMED = re.compile(r"(?<!\\)\(\?P?<(\w+)>")


class Pattern:
    """A pattern, ready to be looked for. Raises ValueError for one that RE2 does not take.

    `groups` are the names of its groups in order.
    """

    def __init__(self, pattern: str, *, ignore_case: bool = False) -> None:
        names = _NAMED.findall(pattern)
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:  # RE2 would take the first alone
            raise ValueError(f"{pattern!r:.80} is not a pattern of RE2: two groups are called `{twice}`")
        options = re2.Options()
        options.log_errors = False
        options.max_mem = MOST_BYTES
        options.case_sensitive = not ignore_case
        try:
            self._pattern = re2.compile(pattern, options)
        except re2.error as error:
            told = error.args[0] if error.args else ""
            why = told.decode(errors="replace") if isinstance(told, bytes) else str(told)
            raise ValueError(f"{pattern!r:.80} is not a pattern of RE2: {why or 'it is too large'}") from None
        numbers: dict[str, int] = self._pattern.groupindex
        self.groups = tuple(sorted(numbers, key=numbers.__getitem__))

    def find(self, text: str) -> dict[str, str | None] | None:
        """The groups of the first place that fits; None where none does. A group that takes no part is None.

        Half a pair of surrogates, which is no character, is read as U+FFFD.
        """
        found = self._pattern.search(text if text.isascii() else _LONE.sub("\ufffd", text))
        return None if found is None else dict(found.groupdict())
