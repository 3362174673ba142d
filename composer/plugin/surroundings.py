"""What a plugin may change of the whole process while it is loaded, put back afterwards."""

from __future__ import annotations

import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, NoReturn

__all__ = ["ProcessEndedError", "kept"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class ProcessEndedError(Exception):
    """A plugin ended the process, without any word, while it was loaded: `os._exit`."""


@contextmanager
def kept() -> Iterator[None]:
    """Run a block; the working directory, the standard streams, the handlers of signals, the limit of recursion and the
    filters of warnings are then as they were. In it `os._exit` raises ProcessEndedError.
    """
    folder, streams = _folder(), (sys.stdin, sys.stdout, sys.stderr)
    handlers = [signal.getsignal(each) for each in _SIGNALS]
    limit = sys.getrecursionlimit()
    end = os._exit
    os._exit = _raising(end)
    try:
        with warnings.catch_warnings():
            yield
    finally:
        os._exit = end
        sys.stdin, sys.stdout, sys.stderr = streams
        if folder is not None and _folder() != folder:
            with suppress(OSError):
                os.chdir(folder)
        for each, handler in zip(_SIGNALS, handlers, strict=True):
            _put_back(each, handler)
        if sys.getrecursionlimit() != limit:
            sys.setrecursionlimit(limit)


def _raising(end: Callable[[int], NoReturn]) -> Any:
    """What stands for `os._exit`; a child that was forked meanwhile still ends."""
    process = os.getpid()

    def raising(status: int) -> NoReturn:
        if os.getpid() != process:
            end(status)
        raise ProcessEndedError(f"os._exit({status})")

    return raising


def _folder() -> str | None:
    try:
        return os.getcwd()
    except OSError:  # the working directory was removed
        return None


def _put_back(number: signal.Signals, handler: Any) -> None:
    if handler is not None and signal.getsignal(number) is not handler:
        with suppress(ValueError):  # only the main thread may
            signal.signal(number, handler)
