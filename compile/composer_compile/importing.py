"""Implementations that plugins name, imported with the core's own error."""

from __future__ import annotations

import importlib
from typing import Any

from composer_compile.errors import BackendError

__all__ = ["implementation"]


def implementation(reference: str, what: str) -> Any:
    """The object behind `package.module:Name`; raises BackendError that says what cannot be imported and why."""
    module, _, name = reference.partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise BackendError(f"{what} cannot be imported from {reference}: {error}") from error
