"""What PyAV is given to open a file: `av.open(for_libav(stream), metadata_errors=OF_TEXTS)`. Imports no PyAV itself."""

from __future__ import annotations

import errno
import os
from typing import Any, BinaryIO, cast

__all__ = ["OF_TEXTS", "for_libav"]

OF_TEXTS = "replace"
"""Titles and comments decide nothing: old recorders and players write them in other letters than UTF-8."""


def for_libav(stream: BinaryIO) -> BinaryIO:
    """The stream, which answers where there is no such place in it: PyAV prints what is raised, with its traceback."""
    return cast(BinaryIO, _Answering(stream))


class _Answering:
    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        try:
            return self._stream.seek(offset, whence)
        except (OSError, ValueError, OverflowError):
            return -errno.EINVAL
