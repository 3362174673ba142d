"""Adapters: module types that turn one port type into another, as a hint."""

from __future__ import annotations

import json
from collections.abc import Mapping

from composer.plugin import ModuleType, Registry
from composer.plugin.answers import as_adapter_config
from composer.plugin.asking import ask
from composer.problems import ComposerError
from composer.types import PortType

__all__ = ["adapter_for", "adapter_help"]


def adapter_for(
    registry: Registry, given: PortType, wanted: PortType
) -> tuple[ModuleType, dict[str, object]] | None:
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


def adapter_help(entry: ModuleType, config: Mapping[str, object], source: str) -> str:
    """How to put an adapter behind a port. It is never a fix: it adds weights, and a number may be mistyped instead."""
    change = " → ".join(str(value) for value in config.values())
    declared = ", ".join(f"{key}: {json.dumps(value)}" for key, value in config.items())
    module = f"`adapter: {{uses: {entry.id}, with: {{{declared}}}}}`"
    node = f"`adapted: {{call: adapter, inputs: {source}}}`"
    return f"add `{entry.id}` ({change}) between them: module {module}, node {node}, and read `adapted` here"
