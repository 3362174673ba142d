"""Files written whole or not at all: what stood there before stays until the new content has reached the disk.

And the digest of a file, which tells it from all others.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, BinaryIO

from composer.problems import InputError

__all__ = [
    "FULL",
    "hold_alone",
    "hold_file",
    "is_utf8",
    "new_folder",
    "replace_file",
    "replace_text",
    "sha256_of",
    "told_by_rust",
    "utf8_name",
]

FULL = (errno.ENOSPC, errno.EDQUOT)
"""What the system says of a disk that is full, and of a quota that is used up."""
PIPE = "it is a pipe, which would be waited for until somebody reads it"
STREAMS = re.compile(r"/dev/(std(in|out|err)|fd/\d+)|/proc/(self|\d+)/fd/\d+")
"""Names of streams that a process has open."""


def replace_file(path: Path, write: Callable[[BinaryIO], object], *, several: bool = False) -> None:
    """Let `write` fill a file beside `path`, then put it in the place of `path` in one move.

    The file beside it has always the same name, so that what a killed process leaves is overwritten and never piles up;
    one of its own in every process where `several` may write the same at once.
    The mode of a file that is there is kept, and a link stays a link to the same file. A device, such as `/dev/null`,
    is written to directly.

    Raises:
        InputError: the file cannot be written. What stood at `path` is unchanged.
    """
    hold_file(path)
    try:
        target = path.resolve()
    except RuntimeError:  # before Python 3.13
        raise InputError(f"{path} cannot be written: {os.strerror(errno.ELOOP)}") from None
    partial = target.with_name(f".{target.name}.{os.getpid()}.part" if several else f".{target.name}.part")
    try:
        mode = _mode_of(target)
        if mode is None and target.exists():
            with target.open("wb") as file:
                write(file)
            return
        try:
            with partial.open("wb") as file:
                usual = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
                write(file)
            # Opened anew: a library that takes a name may have put a file of its own, and of its own mode, there.
            with partial.open("rb") as written:
                os.fsync(written.fileno())  # the content reaches the disk before the name does
            os.chmod(partial, usual if mode is None else mode)
            os.replace(partial, target)
        finally:
            with suppress(OSError):
                partial.unlink(missing_ok=True)
    except (OSError, RuntimeError) as error:  # torch says RuntimeError where a disk is full
        cause = _cause(error)
        if not isinstance(cause, Exception):
            raise cause from None
        kept = "; what was there before is unchanged" if path.exists() else ""
        raise InputError(f"{path} cannot be written: {_reason(cause, target.parent)}{kept}") from None


def hold_file(path: Path) -> None:
    """Raise InputError where something stands at `path` that no file can take the place of.

    A pipe would be waited for until somebody reads it. An open stream by its number may be another one by now.
    """
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):  # nothing is there, or what writes says why not
        return
    if stat.S_ISCHR(mode):
        return
    is_stream = STREAMS.fullmatch(str(path.absolute())) is not None
    if is_stream or not stat.S_ISREG(mode):
        known = ((stat.S_ISFIFO, PIPE), (stat.S_ISDIR, "it is a folder"), (stat.S_ISSOCK, "it is a socket"))
        what = next((said for is_one, said in known if is_one(mode)), "it is a device")
        told = "it is a stream that is open" if is_stream else what
        raise InputError(f"{path} cannot be written: {told}: name a file")


def hold_alone(file: IO[Any], path: Path) -> None:
    """Until the file is closed, no other process may hold it. Raises InputError where one does."""
    try:
        import fcntl
    except ImportError:  # Windows lets no second process open what it replaces
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise InputError(
            f"{path} is being written by another process: wait for it, or name another --out"
        ) from None
    except OSError:  # a file system without locks
        return


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """A folder to fill, which becomes `folder`, where nothing stands, when all of it is written; on an error nothing
    of it stays.

    Raises:
        InputError: it cannot be written.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".new-") as temporary:
            part = Path(temporary, folder.name)
            part.mkdir()
            yield part
            part.rename(folder)
    except OSError as error:
        raise InputError(f"{folder} cannot be written: {_reason(error, folder.parent)}") from None


def is_utf8(text: str) -> bool:
    """Whether a text that was decoded with `surrogateescape` was UTF-8."""
    return text.isascii() or not any("\udc80" <= letter <= "\udcff" for letter in text)


@contextmanager
def utf8_name(path: Path) -> Iterator[str]:
    """A name of a file, for as long as the block lasts, by which libraries open it that take names in UTF-8 alone.

    Raises OSError where the file cannot be opened.
    """
    if is_utf8(str(path)):
        yield str(path)
        return
    with path.open("rb") as file:
        yield f"/dev/fd/{file.fileno()}"


def replace_text(path: Path, old: str, new: str) -> None:
    """Write `new` to a file that holds `old`; a byte order mark at its start is kept.

    Raises:
        InputError: the file holds something else by now, or it cannot be read or written.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    encoding = next((each for each in ("utf-8", "utf-8-sig") if content == old.encode(each)), None)
    if encoding is None:
        raise InputError(
            f"{path} has changed since it was checked, so it was left alone; run the command again"
        )
    changed = new.encode(encoding)
    replace_file(path, lambda file: file.write(changed))


def sha256_of(path: Path, told: Callable[[int], object] = lambda size: None) -> str:
    """The digest of a file, read in pieces; `told` hears of the size of each."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
            told(len(piece))
    return digest.hexdigest()


def _mode_of(target: Path) -> int | None:
    """The permissions of a file that is there. Raises PermissionError for one that its owner protects."""
    if not target.is_file():
        return None
    if not os.access(target, os.W_OK):
        raise PermissionError(13, "it is read-only", str(target))
    return stat.S_IMODE(target.stat().st_mode)


def told_by_rust(error: Exception) -> OSError | None:
    """What the system said, where a library written in Rust, such as safetensors, hides it in a text of its own."""
    number = re.search(r"os error (\d+)", str(error))
    return OSError(int(number[1]), os.strerror(int(number[1]))) if number else None


def _cause(error: Exception) -> BaseException:
    """What torch made a RuntimeError of: a signal that came while it wrote, or a fault other than too little room."""
    found: BaseException | None = error
    while found is not None:
        full = isinstance(found, OSError) and found.errno in FULL
        if not isinstance(found, Exception) or (isinstance(found, OSError) and not full):
            return found
        found = found.__context__
    return error


def _reason(error: Exception, folder: Path) -> str:
    if isinstance(error, OSError):
        return error.strerror or str(error)
    with suppress(OSError):
        return f"the disk is full, or its quota used up ({shutil.disk_usage(folder).free:,} bytes are free)"
    return "its folder is gone"
