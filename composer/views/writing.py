"""Writing what a view made: the whole text, or the file stays as it was."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["write_whole"]


def write_whole(path: Path, content: str | bytes) -> None:
    """Write text as UTF-8, or bytes, in one step. A device or pipe is written to directly.

    Raises OSError that names `path`.
    """
    data = content.encode("utf-8") if isinstance(content, str) else content
    target = path.resolve()
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        if target.exists() and not target.is_file():
            target.write_bytes(data)
            return
        try:
            partial.write_bytes(data)
            os.replace(partial, target)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
