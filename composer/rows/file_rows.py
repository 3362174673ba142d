"""Rows that are files: every file that a pattern finds is one, and its column is called `file`."""

from __future__ import annotations

import glob
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from composer.problems import InputError
from composer.rows.row import GivenRow

__all__ = ["FILE", "FileRows"]

FILE = "file"


class FileRows:
    """The files of a pattern such as `folder/*.png`, or of a folder, in the order of their names."""

    columns = (FILE,)
    names_files = True
    folder = None

    def __init__(self, pattern: str) -> None:
        self.name = pattern
        written = os.path.join(pattern, "*") if os.path.isdir(pattern) else pattern
        found = glob.iglob(written, recursive=True)
        # a link that leads nowhere is a row at fault
        self.files = sorted(path for path in found if os.path.isfile(path) or not os.path.exists(path))
        if not self.files and written != pattern:
            raise InputError(
                f"{pattern} is a folder without files: name a file of rows, or a folder with some"
            )
        if not self.files:
            raise InputError(f"{pattern} names no file: check the pattern, which starts at {Path.cwd()}")

    def survey(self) -> tuple[int, str]:
        digest = hashlib.sha256()
        for path in self.files:
            digest.update(os.fsencode(path) + b"\0")
            try:
                digest.update(str(os.path.getsize(path)).encode() + b"\0")
            except OSError:
                digest.update(b"gone\0")
        return len(self.files), digest.hexdigest()

    def rows(self, skipped: int = 0) -> Iterator[GivenRow]:
        for number, path in enumerate(self.files[skipped:], skipped + 1):
            yield GivenRow(number, {FILE: path})
