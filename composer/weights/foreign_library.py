"""Libraries that read the files of other programs, imported only where such a file is opened."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from types import ModuleType

from composer.sources.weights_error import WeightsError, unreadable

__all__ = ["damaged", "library_for"]


def library_for(path: Path, name: str, format: str) -> ModuleType:
    """The library that reads a format. Raises WeightsError where it is not installed or does not import."""
    try:
        return import_module(name)
    except ImportError as error:
        if error.name not in (name, None):
            cause = f"`{name}`, which reads it, does not import here ({error})"
        else:
            cause = f"it is a {format} file, and the package `{name}`, which reads it, is not installed"
        raise unreadable(path, cause, 'pip install "multimodal-composer[formats]"') from None


def damaged(path: Path, format: str, error: Exception) -> WeightsError:
    """The error for a file that the library of its format cannot read, whatever that library raised."""
    reason = " ".join(str(error).split()) or type(error).__name__
    return unreadable(path, f"the {format} file is truncated or damaged ({reason})", "fetch or copy it again")
