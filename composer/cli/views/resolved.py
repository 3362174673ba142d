"""The merged document as YAML, every value followed by the place that it comes from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from composer.language import Resolved
from composer.problems.render.cells import width_of

__all__ = ["resolved_text"]

INDENT = "  "


def resolved_text(document: Resolved) -> str:
    """Block YAML with a `# file:line` comment behind every value; a value that was `$name` shows what it stands for."""
    rows = list(_mapping(document.tree.root, 0, document))
    size = max((width_of(text) for text, _ in rows), default=0)
    return "\n".join(
        f"{text}{' ' * (size - width_of(text))}  # {origin}" if origin else text for text, origin in rows
    )


def _mapping(node: MappingNode, depth: int, document: Resolved) -> Iterator[tuple[str, str]]:
    for key, value in node.value:
        yield from _entry(f"{INDENT * depth}{_scalar(key, document)}:", value, depth, document)


def _entry(head: str, value: Node, depth: int, document: Resolved) -> Iterator[tuple[str, str]]:
    if isinstance(value, MappingNode) and value.value:
        yield head, ""
        yield from _mapping(value, depth + 1, document)
    elif isinstance(value, SequenceNode) and value.value:
        yield head, ""
        for item in value.value:
            yield from _entry(f"{INDENT * (depth + 1)}-", item, depth + 1, document)
    else:
        empty = "{}" if isinstance(value, MappingNode) else "[]"
        text = _scalar(value, document) if isinstance(value, ScalarNode) else empty
        yield f"{head} {text}", _origin(value, document)


def _scalar(node: Node, document: Resolved) -> str:
    """A scalar as it can be read again; `$name` as the value of the parameter."""
    written: str = node.value
    if written.startswith("$") and written[1:] in document.parameters:
        return _dumped(document.parameters[written[1:]])
    if node.style in ("'", '"') or written.startswith("$$"):
        return _dumped(written.removeprefix("$") if written.startswith("$$") else written)
    return written if not node.style else _dumped(written)


def _dumped(value: Any) -> str:
    text: str = yaml.safe_dump(value, default_flow_style=True, width=10**6, allow_unicode=True)
    return text.removesuffix("...\n").strip()


def _origin(node: Node, document: Resolved) -> str:
    place = f"{node.start_mark.name}:{node.start_mark.line + 1}"
    written = node.value if isinstance(node, ScalarNode) else ""
    name = written[1:] if isinstance(written, str) and written.startswith("$") else None
    if name in document.parameter_places:
        return f"{place} ${name} = {document.parameter_places[name]}"
    return place
