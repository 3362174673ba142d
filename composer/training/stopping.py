"""Signals that ask a run to end: the step is finished and the state is stored, and then the signal has its way."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

__all__ = ["StopNow", "Stopping"]

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")


class StopNow(KeyboardInterrupt):
    """Raised where the run stands, at a place where nothing is half done."""


class Stopping:
    """Whether a signal has asked to end. The first one waits until the run stands at a good place, the same one a
    second time does what it would do without this.
    """

    def __init__(self, told: Callable[[], None] = lambda: None) -> None:
        self._told = told
        self._number: int | None = None
        self._before: dict[int, Any] = {}
        self._at_once = False

    @property
    def asked(self) -> bool:
        return self._number is not None

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Inside, signals are waited for; what somebody ignores stays ignored. Only the main thread has signals."""
        if threading.current_thread() is threading.main_thread():
            for name in _NAMES:
                number = getattr(signal, name, None)
                before = None if number is None else signal.getsignal(number)
                if number is not None and before not in (None, signal.SIG_IGN):
                    self._before[number] = before
                    signal.signal(number, self._heard)
        try:
            yield
        finally:
            self._let_go()

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Inside, nothing is half done: a signal ends it there, with StopNow."""
        if self.asked:
            raise StopNow
        self._at_once = True
        try:
            yield
        finally:
            self._at_once = False

    def pass_on(self) -> None:
        """Let the signal do what it would have done. Returns where that is nothing."""
        number, self._number = self._number, None
        self._let_go()
        if number is not None:
            signal.raise_signal(number)

    def _heard(self, number: int, frame: FrameType | None) -> None:
        if self._number == number:
            self._let_go()
            signal.raise_signal(number)
            return
        self._number = number
        if self._at_once:
            self._at_once = False
            raise StopNow
        self._told()

    def _let_go(self) -> None:
        while self._before:
            number, before = self._before.popitem()
            signal.signal(number, before)
