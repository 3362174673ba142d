"""A folder that is filled file by file, stands there whole or not at all, and goes on where a killed run stopped."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from composer.files import replace_file
from composer.problems import ComposerError, InputError

__all__ = ["JOURNAL", "part_of", "read_journal", "resumed_folder", "write_journal"]

JOURNAL = "written.json"
"""In the unfinished folder: what it is to become, and the files that are whole."""
Shards = list[tuple[list[str], int]]
"""The names in each file, and how many numbers."""


def part_of(folder: Path) -> Path:
    """Where a folder stands until it is whole."""
    return folder.parent / f".{folder.name}.part"


@contextmanager
def resumed_folder(folder: Path, wanted: str) -> Iterator[Path]:
    """The unfinished folder, which becomes `folder`. One that a run left which wanted the same is gone on with.

    An error that was told of leaves nothing; what was killed stays, to be gone on with.

    Raises:
        InputError: it cannot be written.
    """
    part = part_of(folder)
    try:
        if _wanted(part) != wanted:
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir(parents=True)
            _write(part, wanted, [])
        yield part
        (part / JOURNAL).unlink()
        part.rename(folder)
    except OSError as error:
        shutil.rmtree(part, ignore_errors=True)
        raise InputError(f"{folder} cannot be written: {error.strerror or error}") from None
    except ComposerError:
        shutil.rmtree(part, ignore_errors=True)
        raise


def read_journal(part: Path) -> Shards:
    """The files that are whole."""
    with suppress(OSError, ValueError, TypeError, KeyError):
        found = json.loads((part / JOURNAL).read_text(encoding="utf-8"))
        return [([str(name) for name in names], int(count)) for names, count in found["files"]]
    return []


def write_journal(part: Path, shards: Shards) -> None:
    """Say that one more file is whole."""
    _write(part, _wanted(part) or "", shards)


def _wanted(part: Path) -> str | None:
    with suppress(OSError, ValueError, TypeError, KeyError):
        return str(json.loads((part / JOURNAL).read_text(encoding="utf-8"))["wanted"])
    return None


def _write(part: Path, wanted: str, shards: Shards) -> None:
    text = json.dumps({"wanted": wanted, "files": shards})
    replace_file(part / JOURNAL, lambda file: file.write(text.encode()))
