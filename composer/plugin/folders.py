"""Where a relative path in a config starts: at the file that wrote it, not at the working directory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationInfo

__all__ = ["folder_of", "is_file"]


def folder_of(info: ValidationInfo) -> Path | None:
    """For a pydantic field validator: the folder of the document that wrote this field's value.

    None where no file did (`--set`, a config made in Python): then a relative path starts at the working directory.
    """
    folder = (info.context or {}).get("folders", {}).get(info.field_name)
    return None if folder is None else Path(folder)


def is_file(path: Path) -> bool:
    """Whether a file lies there; False, too, for a text that no file can be called by (too long, with a NUL)."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False
