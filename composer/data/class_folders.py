"""Pictures in folders of their classes: `pictures/cat/1.png`. The columns are `file` and `class`."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from composer.problems import InputError
from composer.rows.row import GivenRow

__all__ = ["CLASS", "FILE", "ClassFolders"]

FILE, CLASS = "file", "class"


class ClassFolders:
    """Every file below a folder's folders is a row; the folder that it lies in is its class. Hidden files are none."""

    names_files = True
    columns = (FILE, CLASS)
    class_names: Mapping[str, Sequence[str]] = {}

    def __init__(self, folder: Path) -> None:
        self.name, self.folder = str(folder), folder.absolute()
        self._files: list[tuple[str, str]] = []
        """Class and path below the folder, sorted."""
        names = sorted(each.name for each in os.scandir(folder) if not each.name.startswith("."))
        loose = [name for name in names if (folder / name).is_file()]
        classes = [name for name in names if (folder / name).is_dir()]
        for name in classes:
            self._files += [(name, path) for path in self._below(folder / name)]
        if not classes:
            kind = "files and no folders" if loose else "nothing in it"
            raise InputError(
                f"{folder} is a folder with {kind}: put pictures into a folder for each class ({folder}/cat/1.png), or "
                "name a table (.csv, .jsonl, .parquet)"
            )
        empty = sorted(set(classes) - {name for name, _ in self._files})
        if empty:
            raise InputError(
                f"{folder / empty[0]} is the folder of a class and has no files: put some in, or remove it"
            )
        self.loose = loose
        """Files beside the folders, which belong to no class."""

    def _below(self, folder: Path) -> Iterator[str]:
        for place, folders, files in os.walk(folder):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in sorted(files):
                if not name.startswith(".") and name not in ("Thumbs.db", "desktop.ini"):
                    yield os.path.relpath(os.path.join(place, name), self.folder)

    def __len__(self) -> int:
        return len(self._files)

    def row(self, index: int) -> GivenRow:
        name, path = self._files[index]
        return GivenRow(index + 1, {FILE: path, CLASS: name})

    def title(self, index: int) -> str:
        return f"{self.name}/{self._files[index][1]}"

    def rows(self, skipped: int = 0) -> Iterator[GivenRow]:
        return (self.row(index) for index in range(skipped, len(self)))

    def survey(self) -> tuple[int, str]:
        digest = hashlib.sha256()
        for _, path in self._files:
            digest.update(os.fsencode(path) + b"\0")
            digest.update(str(os.path.getsize(self.folder / path)).encode() + b"\0")
        return len(self), digest.hexdigest()

    @property
    def classes(self) -> list[str]:
        """The names of the classes."""
        return list(dict.fromkeys(name for name, _ in self._files))
