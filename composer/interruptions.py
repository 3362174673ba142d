"""Whether somebody interrupted, or foreign code only raised KeyboardInterrupt, which is a fault as any other."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

__all__ = [
    "Interrupted",
    "forget_raised",
    "is_interruption",
    "raise_noted",
    "raise_swallowed",
    "telling_interruptions",
]

_raised: list[BaseException] = []
"""What signals have raised since the program began to be told of them."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C: what the handler below raises, and no other code does."""


@contextmanager
def telling_interruptions() -> Iterator[None]:
    """Inside, Ctrl-C raises Interrupted where it would raise a KeyboardInterrupt as anybody may raise it.

    A handler that somebody else has set stays, and so does Python's outside of the main thread.
    """
    in_main = threading.current_thread() is threading.main_thread()
    replaces = in_main and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if replaces:
        signal.signal(signal.SIGINT, _interrupt)
    try:
        yield
    finally:
        if replaces and signal.getsignal(signal.SIGINT) is _interrupt:
            signal.signal(signal.SIGINT, signal.default_int_handler)


def is_interruption(error: BaseException) -> bool:
    """Whether an exception came of a signal: every KeyboardInterrupt, but a bare one where Ctrl-C raises Interrupted or
    is ignored.
    """
    if not isinstance(error, KeyboardInterrupt):
        return False
    elsewhere = signal.getsignal(signal.SIGINT) not in (_interrupt, signal.SIG_IGN)
    return elsewhere or type(error) is not KeyboardInterrupt


def raise_noted(error: KeyboardInterrupt) -> NoReturn:
    """Raise what a signal means, and note that it came."""
    _raised.append(error)
    raise error


def forget_raised() -> None:
    """What was noted belongs to a command that is over."""
    _raised.clear()


def raise_swallowed() -> None:
    """Raise again what a signal raised, where code of others caught it and went on: torch catches whatever comes while
    it imports numpy, which is not usable after that.
    """
    if _raised:
        raise _raised[0]


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise_noted(Interrupted())
