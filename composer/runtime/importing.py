"""Implementations, imported when they are needed: `"package.module:Name"` to the object."""

from __future__ import annotations

import importlib
from typing import Any

from composer.problems import ComposerError

__all__ = ["ImplementationError", "import_object"]


class ImplementationError(ComposerError):
    """An implementation that a plugin names cannot be imported."""


def import_object(reference: str, what: str) -> Any:
    """Import `reference`; raises ImplementationError that names the plugin's entry and the cause."""
    module_name, _, attribute = reference.partition(":")
    try:
        return getattr(importlib.import_module(module_name), attribute)
    except (ImportError, AttributeError) as error:
        raise ImplementationError(f"{what} cannot be imported from {reference}: {error}") from error
