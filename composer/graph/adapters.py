"""Adapters: module types that turn one port type into another, as a hint and as the edits that insert one."""

from __future__ import annotations

import json
from typing import Any

from yaml.nodes import MappingNode

from composer.language import Tree
from composer.plugin import Registry
from composer.plugin.answers import as_adapter_config
from composer.plugin.asking import ask
from composer.problems import ComposerError, Edit
from composer.types import PortType

__all__ = ["adapter_for", "insert_adapter"]


def adapter_for(registry: Registry, given: PortType, wanted: PortType) -> tuple[Any, dict[str, Any]] | None:
    """A module type and its config that would make `given` fit `wanted`, or None."""
    for entry in registry.module_types.values():
        if entry.adapter is not None:
            try:
                what = f"the adapter of {entry.title}"
                config = ask(entry.adapter, given, wanted, what=what, accept=as_adapter_config)
            except ComposerError:  # every type is asked, so its fault is no matter of this document's
                continue
            if config is not None:
                return entry, config
    return None


def insert_adapter(
    tree: Tree,
    text: str,
    entry: Any,
    config: dict[str, Any],
    node_path: tuple[Any, ...],
    reference_path: tuple[Any, ...],
) -> tuple[Edit, ...]:
    """Edits that declare the adapter, call it before the node, and wire it in.

    Empty where the document's form is unusual.
    """
    modules, nodes = tree.node(("modules",)), tree.node(node_path[:-1])
    place = tree.place(reference_path)
    own = tree.place(node_path, key=True)
    reference = tree.text(reference_path)
    if (
        not (isinstance(modules, MappingNode) and isinstance(nodes, MappingNode) and reference)
        or not modules.value
    ):
        return ()
    if any(n.start_mark.name != place.file for n in (modules, nodes)) or own.file != place.file:
        return ()
    taken = {str(k.value) for k, _ in (*modules.value, *nodes.value)}
    stem = f"{node_path[-1]}_{reference_path[-1] if reference_path[-1] != 'inputs' else 'input'}".replace(
        "-", "_"
    )
    module_name, node_name = _free(f"{stem}_adapter", taken), _free(f"{stem}_adapted", taken)
    with_text = ", ".join(f"{key}: {json.dumps(value)}" for key, value in config.items())
    declaration = f"{module_name}: {{uses: {entry.id}, with: {{{with_text}}}}}"
    call = f"{node_name}: {{call: {module_name}, inputs: {reference}}}"
    return (
        _insert_before(text, modules, modules.value[0][0], declaration, place.file),
        _insert_before(text, nodes, _key_of(nodes, node_path[-1]), call, place.file),
        Edit(place.file, place.start, place.end, node_name),
    )


def _insert_before(text: str, parent: MappingNode, key: Any, entry: str, file: str) -> Edit:
    start = key.start_mark.index
    separator = ", " if parent.flow_style else _newline(text) + " " * key.start_mark.column
    return Edit(file, start, start, entry + separator)


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _key_of(parent: MappingNode, name: Any) -> Any:
    return next(key for key, _ in parent.value if key.value == name)


def _free(name: str, taken: set[str]) -> str:
    candidate, number = name, 2
    while candidate in taken:
        candidate, number = f"{name}{number}", number + 1
    return candidate
