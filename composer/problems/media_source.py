"""Where raw pictures, clips and recordings come from: files and bytes, each with the name that errors call it by."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from composer.problems.addresses import NOT_FETCHED, is_address
from composer.problems.problem import InputError

__all__ = ["MediaSource"]


@dataclass(frozen=True)
class MediaSource:
    """Something to decode. `name` fits into a sentence: `picture cat.png`, `the content given as clip (9 bytes)`."""

    name: str
    content: Path | bytes

    @staticmethod
    def of(value: str | os.PathLike[str] | bytes, what: str) -> MediaSource:
        """Check that there is something to read; raises InputError if not. `what`: "picture", "clip", "recording"."""
        if isinstance(value, bytes):
            if not value:
                raise InputError(f"no bytes were given as {what}: give the content of a file")
            return MediaSource(f"the content given as {what} ({len(value):,} bytes)", value)
        if not os.fspath(value):
            raise InputError(f"the path of the {what} is empty: name a file")
        path = Path(value)
        name = f"{what} {path}"
        try:
            if path.is_dir():
                raise InputError(f"{name} is a directory: give the path of one file in it")
            if not path.exists() and is_address(value):
                raise InputError(
                    f"{what} {value} cannot be read: {NOT_FETCHED}; save it as a file and name that"
                )
            if not path.exists():
                raise InputError(f"{name} does not exist: check the path, which starts at {Path.cwd()}")
            if not path.is_file():
                raise InputError(f"{name} is not a regular file: save it as one first")
            if path.stat().st_size == 0:
                raise InputError(f"{name} is an empty file: fetch or export it again")
            path = path.absolute()  # what decodes it may be another process, in another folder
        except (OSError, ValueError) as error:
            raise InputError(f"{what} {str(path)!r} cannot be looked up ({error}): check the path") from error
        return MediaSource(name, path)

    def open(self) -> BinaryIO:
        """A new stream at the start of the content. Raises InputError where the file may not be read."""
        if isinstance(self.content, bytes):
            return io.BytesIO(self.content)
        try:
            return self.content.open("rb")
        except OSError as error:
            raise InputError(f"{self.name} cannot be read: {error.strerror}") from error
