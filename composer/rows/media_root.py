"""Paths in rows: relative ones begin at one folder, and none leads out of it.

Rows are data, often of others: what they name is read only below a folder that the user named, or where they lie.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from composer.problems import is_address
from composer.rows.row import RowError

__all__ = ["MediaRoot", "path_below"]

FOLDERS_KEPT = 1024
"""Folders of files of which it is known where their links lead."""


def path_below(folder: str, value: str) -> str:
    """The path of a value below a folder; where nothing is called so and Windows may have written it, with slashes."""
    path = os.path.join(folder, value)
    return (
        path if "\\" not in value or os.path.exists(path) else os.path.join(folder, value.replace("\\", "/"))
    )


class MediaRoot:
    """The folder below which the files of rows lie. Links are followed before that is decided."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._real = os.path.realpath(folder)
        self._real_folder = lru_cache(FOLDERS_KEPT)(os.path.realpath)

    def held(self, value: object, column: str) -> object:
        """The value with every path in it made absolute. Raises RowError for one that leads out, or nowhere."""
        if isinstance(value, str):
            return self._path(value, column)
        if isinstance(value, list):
            return [self.held(each, column) for each in value]
        if isinstance(value, Mapping) and value.keys() <= {
            "bytes",
            "path",
        }:  # as libraries of data sets write them
            content = value.get("bytes")
            return content if content is not None else self.held(value.get("path"), column)
        return value

    def _path(self, value: str, column: str) -> str:
        if not value:
            return value
        try:
            joined = path_below(self._real, value)
            real = self._followed(joined)
            exists = os.path.exists(real)
            inside = os.path.commonpath([self._real, real]) == self._real
        except (OSError, ValueError) as error:
            raise RowError(f"{value!r:.200} is not a path: {error}", column) from None
        if not exists and is_address(value):
            return value  # the modality says that nothing is fetched
        if not inside:
            raise RowError(
                f"{value} lies outside of {self.folder}: name a folder that holds it with --media-root (media_root=)",
                column,
            )
        if not exists:
            raise RowError(f"{value} does not exist below {self.folder}", column)
        return joined

    def _followed(self, path: str) -> str:
        """`os.path.realpath`, which looks at every folder of a path, for many files of few folders."""
        folder, name = os.path.split(path)
        if name in ("", os.curdir, os.pardir) or "\0" in name:
            return os.path.realpath(path)
        real = os.path.join(self._real_folder(folder), name)
        return os.path.realpath(real) if os.path.islink(real) else real
