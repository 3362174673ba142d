"""Templates: a text with placeholders for what users type and for media, read from `Human: {image} {question} AI:`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from string import Formatter
from typing import NamedTuple

__all__ = ["Placeholder", "fields_in", "parsed"]


class Placeholder(NamedTuple):
    """`{name}` in a template."""

    name: str


def parsed(template: str) -> list[str | Placeholder]:
    """The texts and placeholders of a template in order; `{{` and `}}` are braces. Raises ValueError that quotes it."""
    found: list[str | Placeholder] = []
    try:
        pieces = list(Formatter().parse(template))
    except ValueError as error:
        raise ValueError(
            f"{template!r:.80} is not a template: {error}; write a brace twice where it is one"
        ) from None
    for text, name, form, conversion in pieces:
        if text:
            found.append(text)
        if name is None:
            continue
        if form or conversion or not (name == "" or name.isidentifier()):
            raise ValueError(
                f"{template!r:.80} is not a template: `{{{name}}}` is not a placeholder; write {{name}}"
            )
        found.append(Placeholder(name))
    return found


def fields_in(template: str) -> Iterator[str]:
    """The names of its placeholders, in order."""
    return (piece.name for piece in parsed(template) if isinstance(piece, Placeholder))


def each_of(config: Mapping[str, str], medium: str) -> str:
    """What is written for each value of a medium; `{}` is where its positions are."""
    return config.get(medium, "{}")
