"""Entries of a YAML map, as nodes and as text: several taken out and one put in their place, the rest byte for byte."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from yaml.nodes import MappingNode, Node, ScalarNode

from composer.language.schema12 import MAP, STR, resolve_scalar
from composer.language.yaml_nodes import place_of
from composer.problems import Edit

__all__ = ["Pair", "entries_of", "flow_text", "made", "made_map", "replacing"]

Pair = tuple[ScalarNode, Node]
"""A key and its value."""
UNSHOWN = "..."
"""Stands for what cannot be written in another place as it is."""

_COLON = re.compile(r"[ \t]*:[ \t]*")
_ALIAS = re.compile(r"\*[^\s,{}\[\]]+")
_NEXT = re.compile(r"(?:\s|#[^\n]*)*(?P<sign>[,}]?)")
_ANCHOR = re.compile(r"(?:^|[\s\[{,])&[^\s,{}\[\]]")
_FLOW_SIGN = re.compile(r"[,{}\[\]]")
_COMMA = re.compile(r"\s*,[ \t]*(?:\r?\n[ \t]*)?")


def entries_of(node: Node | None) -> dict[str, Pair]:
    """The entries of a map by their keys; what is not a map has none."""
    pairs = node.value if isinstance(node, MappingNode) else ()
    return {key.value: (key, value) for key, value in pairs if isinstance(key, ScalarNode)}


def made(text: str, at: Node) -> ScalarNode:
    """A plain value that no file holds, at the beginning of a node that one does."""
    return ScalarNode(resolve_scalar(text), text, at.start_mark, at.start_mark)


def made_map(entries: Mapping[str, Pair], at: Node) -> MappingNode:
    """A map that no file holds, of values that one does or that are made. Their keys stay where they stand."""
    pairs = [
        (ScalarNode(STR, name, key.start_mark, key.end_mark), value) for name, (key, value) in entries.items()
    ]
    return MappingNode(MAP, pairs, at.start_mark, at.start_mark, flow_style=True)


def flow_text(value: Node, source: str, key: Node | None = None) -> str:
    """A value on one line, as it is written in a text; what the text does not hold is written anew."""
    is_written = value.start_mark.index < value.end_mark.index
    entry = entry_of(key, value, source) if key is not None and is_written else None
    if entry is not None and "\n" not in entry.raw:
        is_plain = isinstance(value, ScalarNode) and value.style is None
        return UNSHOWN if is_plain and _FLOW_SIGN.search(entry.raw) else entry.raw
    if isinstance(value, MappingNode):
        parts = (f"{name}: {flow_text(item, source, key)}" for name, (key, item) in entries_of(value).items())
        return f"{{{', '.join(parts)}}}"
    return UNSHOWN if is_written else str(value.value)


def replacing(old: Sequence[Pair], text: str, source: str) -> tuple[Edit, ...]:
    """The edits that put `text` in the place of entries of one map; none where that would do harm to the others.

    An anchor has to stand before its aliases, and a comment belongs to its line.
    """
    entries = [entry for key, value in old if (entry := entry_of(key, value, source)) is not None]
    if not source or len(entries) < len(old) or UNSHOWN in text:
        return ()
    first, last = min(entry.start for entry in entries), max(entry.end for entry in entries)
    if _ANCHOR.search(source, first, last) or any("#" in source[each.start : each.end] for each in entries):
        return ()
    return rewritten(old[0][0].start_mark.name, source, entries, text)


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
    """An entry with what parts it from the next one: the comma of a flow map, or its line but for a comment on it."""
    sign = _NEXT.match(source, entry.end)
    if sign is not None and sign["sign"]:
        comma = _COMMA.match(source, entry.end)
        return entry.start, comma.end() if comma is not None else entry.end
    line = source.rfind("\n", 0, entry.start) + 1
    stop = source.find("\n", entry.end)
    comment = source.find("#", entry.end, len(source) if stop < 0 else stop)
    if comment >= 0:
        return entry.start, comment
    return line, len(source) if stop < 0 else stop + 1
