"""Folders and files for plugins: where a relative path in a config starts, and what is kept in the user's cache."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import ValidationInfo

__all__ = ["folder_of", "is_file", "published_folder", "remembered"]


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


def published_folder(text: str, info: ValidationInfo, *, needs: str, also: Collection[str] = ()) -> Path:
    """For a pydantic field validator: the folder that a text names.

    A path begins at the document; `package:name/folder` lies in an installed package, which is not imported; of
    `hub:owner/name@revision` the file `needs` is fetched, and those of `also` that are there, once.

    Raises ValueError with one sentence where there is no such thing, or it cannot be had.
    """
    from composer.plugin.published_folders import published_folder as found

    return found(text, folder_of(info), needs=needs, also=also)


def remembered(owner: str, question: str, ask: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The answer to a question that was asked before, or what `ask` gives, which is then kept in the cache folder.

    `owner` is the plugin's name; `question` holds all that the answer depends on, versions too.
    """
    from composer.plugin.remembering import remember

    return remember(owner, question, ask)
