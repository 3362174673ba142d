"""Signals that end a command: it cleans up, says nothing, and leaves with the code that shells know."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from composer.interruptions import forget_raised, raise_noted

__all__ = ["Ended", "ending_signals"]

_NAMES = ("SIGTERM", "SIGHUP")


class Ended(KeyboardInterrupt):
    """A signal asked the program to end. Raised where the program stands, so that half-written files are removed.

    Whoever contains what a plugin raises lets an interruption through, and this with it.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number
        self.code = 128 + number


@contextmanager
def ending_signals() -> Iterator[None]:
    """Turn the signals that end a program into Ended inside the block, unless somebody handles or ignores them."""
    replaced: list[signal.Signals] = []
    if threading.current_thread() is threading.main_thread():
        for name in _NAMES:
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) is signal.SIG_DFL:
                signal.signal(number, _end)
                replaced.append(number)
    try:
        yield
    finally:
        for number in replaced:
            signal.signal(number, signal.SIG_DFL)
        forget_raised()


def _end(number: int, frame: FrameType | None) -> None:
    raise_noted(Ended(number))
