"""Entries of a YAML map as text: several of them taken out and one put in their place, the rest byte for byte."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from yaml.nodes import Node

from composer.language.yaml_nodes import place_of
from composer.problems import Edit

__all__ = ["OldEntry", "entry_of", "rewritten"]

_COLON = re.compile(r"[ \t]*:[ \t]*")
_ALIAS = re.compile(r"\*[^\s,{}\[\]]+")
_NEXT = re.compile(r"(?:\s|#[^\n]*)*(?P<sign>[,}]?)")
_COMMA = re.compile(r"\s*,[ \t]*(?:\r?\n[ \t]*)?")


@dataclass(frozen=True)
class OldEntry:
    """A key with its value: where they stand, and the value as it is written."""

    start: int
    end: int
    raw: str


def entry_of(key: Node, value: Node, source: str) -> OldEntry | None:
    """The entry in its text, or None where it cannot be told, as for `? key`."""
    span, colon = place_of(key), _COLON.match(source, place_of(key).end)
    if colon is None:
        return None
    end = place_of(value).end
    alias = _ALIAS.match(source, colon.end())
    if alias is not None:  # the value itself stands at its anchor
        end = alias.end()
    elif end < colon.end():
        end = colon.end()
    raw = source[colon.end() : end].rstrip()
    return OldEntry(span.start, colon.end() + len(raw), raw)


def rewritten(file: str, source: str, entries: Sequence[OldEntry], text: str) -> tuple[Edit, ...]:
    """The edits that put `text` in the place of the last of the entries, and take out the others."""
    *others, last = sorted(entries, key=lambda entry: entry.start)
    edits = [Edit(file, last.start, last.end, text)]
    for entry in others:
        start, end = _whole(source, entry)
        edits.append(Edit(file, start, end, ""))
    return tuple(edits)


def _whole(source: str, entry: OldEntry) -> tuple[int, int]:
    """An entry with what parts it from the next one: the comma of a flow map, or its line."""
    sign = _NEXT.match(source, entry.end)
    if sign is not None and sign["sign"]:
        comma = _COMMA.match(source, entry.end)
        return entry.start, comma.end() if comma is not None else entry.end
    line = source.rfind("\n", 0, entry.start) + 1
    stop = source.find("\n", entry.end)
    return line, len(source) if stop < 0 else stop + 1
