"""The hooks of the plugin system. All of them; there is one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from composer.plugin.registry import Register

__all__ = ["PROJECT", "composer_register", "hookimpl"]

PROJECT = "composer"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def composer_register(register: Register) -> None:
    """Offer kinds, modalities, module types, layouts, documents, datasets, metrics, search policies and backends."""
