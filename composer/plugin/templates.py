"""Templates: a text with placeholders, `Human: {image} {question} AI:`. What fills them is looked at no further."""

from __future__ import annotations

from collections.abc import Iterator
from string import Formatter
from typing import NamedTuple

__all__ = ["Placeholder", "fields_in", "template_parts"]


class Placeholder(NamedTuple):
    """`{name}` in a template."""

    name: str


def template_parts(template: str) -> list[str | Placeholder]:
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
        if name == "self":  # fields are keyword arguments of a method
            raise ValueError(f"{template!r:.80} is not a template: no field can be called `self`; rename it")
        found.append(Placeholder(name))
    return found


def fields_in(template: str) -> Iterator[str]:
    """The names of its placeholders, in order."""
    return (piece.name for piece in template_parts(template) if isinstance(piece, Placeholder))
