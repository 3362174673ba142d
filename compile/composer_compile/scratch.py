"""Temporary folders: made, said in one sentence where they cannot be, and removed however the process ends.

A folder is removed when its owner is done with it, at the latest when Python ends. SIGTERM and SIGHUP end a process
without that, so they are caught while a folder is there and nobody else catches them: the folders are removed, and the
process ends by the same signal. Only SIGKILL leaves a folder behind.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import signal
import tempfile
import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

from composer_compile.errors import TemporaryFolderError

__all__ = [
    "LOW_SPACE",
    "VARIABLES",
    "Scratch",
    "cleared",
    "removed_at_the_end",
    "temporary_folder",
    "told_of",
    "undisturbed",
]

VARIABLES = ("TMPDIR", "TEMP", "TMP")
"""Where Python looks for the folder, in its order; torch and compilers read them as well."""
LOW_SPACE = 1 << 20
"""Fewer free bytes than this: what failed there failed for want of space."""

_kept: dict[Path, int] = {}
"""Folders to remove, each with the process that made it: a forked one removes nothing."""
_undisturbed = 0
_waiting: list[int] = []


class Scratch:
    """A folder for temporary files, made under the temporary folder of the machine; `close` removes it."""

    def __init__(self, purpose: str, *, runs_code: bool = False) -> None:
        parent, name = temporary_folder()
        with told_of(parent, name):
            self.path = Path(tempfile.mkdtemp(prefix=f"composer-{purpose}-", dir=parent))
        self.parent, self.name = parent, name
        self.close = removed_at_the_end(self, self.path)
        if runs_code and _is_noexec(self.path):
            self.close()
            raise _unusable(parent, name, "it is mounted noexec, so no library can be loaded from it")

    def __enter__(self) -> Path:
        return self.path

    def __exit__(self, *_: object) -> None:
        self.close()

    def fault(self) -> TemporaryFolderError | None:
        """What is wrong with the folder after something failed in it that does not say why; None where nothing is."""
        with contextlib.suppress(OSError):
            if shutil.disk_usage(self.parent).free < LOW_SPACE:
                return _unusable(self.parent, self.name, os.strerror(errno.ENOSPC))
        if not self.path.is_dir():
            return _unusable(self.parent, self.name, "what was written there is gone")
        return None

    def folder(self) -> Path:
        """A folder in it, which goes with it."""
        with self.told():
            return Path(tempfile.mkdtemp(dir=self.path))

    @contextlib.contextmanager
    def part(self) -> Iterator[Path]:
        """A folder in it, for the time of the block."""
        folder = self.folder()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def told(self) -> contextlib.AbstractContextManager[None]:
        """Writing in it: what fails is told of the temporary folder."""
        return told_of(self.parent, self.name)


def temporary_folder() -> tuple[Path, str]:
    """The folder for temporary files and the variable that names it. Raises TemporaryFolderError."""
    name = next((each for each in VARIABLES if os.environ.get(each)), "")
    if name:
        # Python would quietly take another folder where it cannot write in this one, and torch would not.
        place = Path(os.environ[name])
        if not place.is_dir():
            raise _unusable(place, name, "there is no such folder")
        return place.absolute(), name
    try:
        return Path(tempfile.gettempdir()), ""
    except FileNotFoundError:
        raise TemporaryFolderError(
            "this machine has no folder for temporary files that can be written: name one with TMPDIR"
        ) from None


@contextlib.contextmanager
def told_of(parent: Path, name: str) -> Iterator[None]:
    """OSErrors of the block as one sentence that names the temporary folder."""
    try:
        yield
    except OSError as error:
        raise _unusable(parent, name, error.strerror or str(error)) from None


def removed_at_the_end(owner: object, folder: Path) -> Callable[[], object]:
    """Remove a folder when `owner` is gone or Python or a signal ends the process; the function that does it now."""
    _keep(folder)
    return weakref.finalize(owner, _remove, folder)


@contextlib.contextmanager
def cleared(folder: Path) -> Iterator[None]:
    """Remove a folder at the end of the block, or when a signal ends the process in it."""
    _keep(folder)
    try:
        yield
    finally:
        _remove(folder)


def _keep(folder: Path) -> None:
    _kept[folder] = os.getpid()
    _catch_signals()


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """SIGTERM and SIGHUP wait for the end of the block, where this file catches them."""
    global _undisturbed  # noqa: PLW0603 (a handler has no other way to know)
    _undisturbed += 1
    try:
        yield
    finally:
        _undisturbed -= 1
        if not _undisturbed and _waiting:
            _end(_waiting.pop(), None)


def _remove(folder: Path) -> None:
    if _kept.pop(folder, None) == os.getpid():
        shutil.rmtree(folder, ignore_errors=True)


def _unusable(place: Path, name: str, reason: str) -> TemporaryFolderError:
    named = f" ({name})" if name else ""
    return TemporaryFolderError(
        f"the folder for temporary files, {place}{named}, cannot be used: {reason}; name another one with TMPDIR"
    )


def _is_noexec(folder: Path) -> bool:
    flag = getattr(os, "ST_NOEXEC", 0)
    return bool(flag and os.statvfs(folder).f_flag & flag)


def _catch_signals() -> None:
    """Python calls handlers in its main thread alone, and lets only that one set them."""
    if threading.current_thread() is not threading.main_thread():
        return
    for number in (getattr(signal, name, None) for name in ("SIGTERM", "SIGHUP")):
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _end)


def _end(number: int, frame: FrameType | None) -> None:
    if _undisturbed:
        _waiting.append(number)
        return
    for folder in list(_kept):
        _remove(folder)
        shutil.rmtree(folder, ignore_errors=True)  # what a compiler wrote meanwhile
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
