"""The clock of a process that decodes: one whose next answer takes too long is killed."""

from __future__ import annotations

import math
import subprocess
import threading
import time

__all__ = ["Patience"]


class Patience:
    """Kills a process whose next answer takes too long, by one thread for all that it is asked: to start a thread for
    each picture takes longer than most pictures.
    """

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.is_over = False
        self._process = process
        self._seconds = math.inf
        self._until = math.inf
        self._wakes = math.inf
        """When the thread looks next; what ends later needs not wake it."""
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def begin(self, seconds: float) -> None:
        """From now on each answer may take so long."""
        self._seconds = seconds
        self.renew()
        with self._changed:
            if self._thread is None:
                self._thread = threading.Thread(target=self._watch, name="composer-media-clock", daemon=True)
                self._thread.start()
            elif self._until < self._wakes:
                self._changed.notify()

    def renew(self) -> None:
        """An answer has come, and the next one is waited for."""
        self._until = time.monotonic() + self._seconds

    def end(self) -> None:
        """No answer is waited for any more."""
        self._until = math.inf

    def close(self) -> None:
        """Let the thread end."""
        with self._changed:
            self._until = -math.inf
            self._changed.notify()

    def _watch(self) -> None:
        with self._changed:
            while (until := self._until) > -math.inf:
                left = until - time.monotonic()
                if left <= 0:
                    self.is_over = True
                    self._process.kill()
                    return
                self._wakes = until
                self._changed.wait(None if until == math.inf else min(left, threading.TIMEOUT_MAX))
