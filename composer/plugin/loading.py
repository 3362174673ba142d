"""Loading plugins from the entry-point group `composer`: a call, never an import side effect."""

from __future__ import annotations

import os
import traceback
from collections.abc import Iterable
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import pluggy

from composer.plugin import hooks
from composer.plugin.registry import BrokenPlugin, Origin, Register, Registry

__all__ = ["load_registry"]

VARIABLE = "COMPOSER_PLUGINS"


def load_registry(extra: Iterable[tuple[str, Any]] = (), *, only: Iterable[str] | None = None) -> Registry:
    """Load every installed plugin, then `extra` ones given as (name, object with `composer_register`).

    `only`, or the environment variable `COMPOSER_PLUGINS` (names split by commas; empty means none), restricts the
    installed ones. A plugin that fails is recorded in `registry.broken`; nothing is raised.
    """
    registry = Registry()
    allowed = _allowed(only)
    points = sorted(entry_points(group=hooks.PROJECT), key=_first_party_first)
    for point in points:
        if allowed is None or point.name in allowed:
            origin = Origin(point.name, _distribution(point))
            _register_one(registry, origin, point.load)
    for name, plugin in extra:
        _register_one(registry, Origin(name), lambda plugin=plugin: plugin)
    return registry


def _allowed(only: Iterable[str] | None) -> frozenset[str] | None:
    if only is not None:
        return frozenset(only)
    value = os.environ.get(VARIABLE)
    return None if value is None else frozenset(name.strip() for name in value.split(",") if name.strip())


def _first_party_first(point: EntryPoint) -> tuple[bool, str]:
    return (not point.value.startswith("composer_"), point.name)


def _distribution(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist is not None else ""


def _register_one(registry: Registry, origin: Origin, load: Any) -> None:
    """Run one plugin's hook against a registry of its own checks; a failure leaves the rest untouched."""
    manager = pluggy.PluginManager(hooks.PROJECT)
    manager.add_hookspecs(hooks)
    try:
        plugin = load()
        manager.register(plugin, name=origin.plugin)
        manager.check_pending()
        register = Register(registry, origin)
        manager.hook.composer_register(register=register)
    except (
        Exception
    ) as error:  # a plugin is foreign code: whatever it raises is its own fault, reported as such
        message = f"{type(error).__name__}: {error}"
        registry.broken.append(BrokenPlugin(origin, message, traceback.format_exc()))
    else:
        register.commit()
        registry.plugins[origin.plugin] = origin
