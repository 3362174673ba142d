"""Whose fault an unexpected exception is: a plugin's is told in one sentence, our own keeps its traceback."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from composer.plugin import Registry
    from composer.plugin.registry import Origin

__all__ = ["is_of_a_library", "plugin_at_fault"]

OURS = "multimodal-composer"


def plugin_at_fault(error: BaseException) -> str | None:
    """What a third party's plugin did, in one sentence; None where none of its code was running."""
    from composer.plugin import load_registry
    from composer.plugin.asking import fault_of, place_of_fault

    registry = load_registry()
    packages = {name: origin for origin, name in _packages(registry) if OURS not in origin.distribution}
    for frame, _ in reversed(list(traceback.walk_tb(error.__traceback__))):
        origin = packages.get(str(frame.f_globals.get("__name__", "")).partition(".")[0])
        if origin is not None:
            where = place_of_fault(error)
            return f"the plugin {origin} failed: it {fault_of(error)}" + (f" ({where})" if where else "")
    return None


def is_of_a_library(error: ImportError) -> bool:
    """Whether a library fails to import what is its own: a system without memory for it, or without a part of it."""
    frames = [str(frame.f_globals.get("__name__", "")) for frame, _ in traceback.walk_tb(error.__traceback__)]
    package = next((name for name in reversed(frames) if not name.startswith("importlib.")), "")
    return not package.partition(".")[0].startswith("composer")


def _packages(registry: Registry) -> Iterator[tuple[Origin, str]]:
    """Every plugin with the packages that hold its code: that of its entry point, and those of its implementations."""
    from composer.plugin.discovery import installed_plugins

    for plugin in installed_plugins():
        yield plugin.origin, plugin.module.partition(".")[0]
    for section in registry.sections():
        for id in section:
            for name in ("builder", "processor", "implementation", "prepare"):
                reference = getattr(section[id], name, None)
                if isinstance(reference, str):
                    yield section.origin(id), reference.partition(".")[0].partition(":")[0]
