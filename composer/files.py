"""Files written whole or not at all: what stood there before stays until the new content has reached the disk."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from composer.problems import InputError

__all__ = ["replace_file"]


def replace_file(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Let `write` fill a file beside `path`, then put it in the place of `path` in one move.

    The file beside it has always the same name, so that what a killed process leaves is overwritten and never piles up.

    Raises:
        InputError: the file cannot be written. What stood at `path` is unchanged.
    """
    target = path.resolve()
    partial = target.with_name(f".{target.name}.part")
    try:
        try:
            with partial.open("wb") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())  # the content reaches the disk before the name does
            os.replace(partial, target)
        finally:
            with suppress(OSError):
                partial.unlink(missing_ok=True)
    except (OSError, RuntimeError) as error:  # torch says RuntimeError where a disk is full
        kept = "; what was there before is unchanged" if path.exists() else ""
        raise InputError(f"{path} cannot be written: {_reason(error, target.parent)}{kept}") from None


def _reason(error: Exception, folder: Path) -> str:
    if isinstance(error, OSError):
        return error.strerror or str(error)
    with suppress(OSError):
        return f"the disk is full, or its quota used up ({shutil.disk_usage(folder).free:,} bytes are free)"
    return "its folder is gone"
