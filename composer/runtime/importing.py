"""Implementations, imported when they are needed: `"package.module:Name"` to the object."""

from __future__ import annotations

from composer.plugin.asking import PluginError, import_object

__all__ = ["ImplementationError", "import_object"]

ImplementationError = PluginError
"""An implementation that a plugin names cannot be imported, or does not do what it should."""
