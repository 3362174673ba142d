"""Which class a value of people's data tells: by its name, or by its number."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["ClassNumbers", "class_name"]


class ClassNumbers:
    """The numbers of named classes. A class may be told by its number unless some name is a number itself: of stars
    from 1 to 5, `1` is the first.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._numbers = {class_name(name): number for number, name in enumerate(names)}
        self.numbered = not any(_is_number(name) for name in names)

    def number(self, value: object) -> int | None:
        """The number of a class, which may be out of range; None of what tells none."""
        if not isinstance(value, (str, bool, int)):
            return None
        name = class_name(value)
        found = self._numbers.get(name)
        if found is not None:
            return found
        told = self.numbered and not isinstance(value, bool) and _is_number(name)
        return int(name) if told else None


def class_name(value: object) -> str:
    """A value of a table as a name is written: `true` of a flag, `3` of a number. White space around it, which nobody
    sees, is no part of it.
    """
    return (str(value).lower() if isinstance(value, bool) else str(value)).strip()


def _is_number(text: str) -> bool:
    return text.isascii() and text.removeprefix("-").isdecimal() and len(text) < 12
