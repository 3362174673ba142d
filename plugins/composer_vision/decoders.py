"""Decoding in processes of their own: started when there is something to decode, kept for what follows.

A file can crash the libraries that decode it, or keep them busy for ever. That ends such a process; here it is one
sentence. Only frames of the model's size come back through the pipe, so that the way costs next to nothing.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from composer.problems import ComposerError, InputError
from composer_vision.reading import Reading, read
from composer_vision.sources import Source
from composer_vision.wire import receive, send

__all__ = ["decode"]

INLINE = "COMPOSER_MEDIA"
"""The environment variable that, set to `inline`, decodes in this process: where none can be started, and to debug."""
SECONDS = "COMPOSER_MEDIA_SECONDS"
"""The environment variable that sets how long one picture or clip may take."""
MOST_SECONDS = 300.0
MOST_PROCESSES = 4

# The package is put in place without its entry module, which declares configs that nobody needs here: the process is
# ready in a third of the time.
START = """
import importlib.util, json, sys, types
paths, folder = json.loads(sys.argv[1])
sys.path += [path for path in paths if path not in sys.path]
package = types.ModuleType("composer_vision")
package.__path__ = [folder]
sys.modules["composer_vision"] = package
from composer_vision.decoder_process import serve
serve()
"""


def decode(source: Source, how: Reading) -> NDArray[np.uint8]:
    """What `read` gives, made by another process. Raises InputError for what cannot be decoded, for whatever reason."""
    if os.environ.get(INLINE) == "inline" or not sys.executable:
        return read(source, how)
    return _POOL.run(lambda process: process.decode(source, how))


class _Process:
    """One process that decodes one thing at a time."""

    def __init__(self) -> None:
        path = json.dumps([[each for each in sys.path if each], os.path.dirname(os.path.abspath(__file__))])
        one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-c", START, path],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**os.environ, **one},
            )
        except OSError as error:
            raise _not_started(error.strerror or str(error)) from error
        self._ready = False

    def decode(self, source: Source, how: Reading) -> NDArray[np.uint8]:
        content = source.content if isinstance(source.content, bytes) else b""
        path = None if isinstance(source.content, bytes) else str(source.content)
        seconds = _seconds()
        request = {
            "name": source.name,
            "path": path,
            "bytes": len(content),
            "folder": os.getcwd(),
            "seconds": seconds + 10,  # the process's own clock, for when nobody is here to end it
            "how": asdict(how),
        }
        self._wait_until_ready()
        late = threading.Event()

        def give_up() -> None:
            late.set()
            self._process.kill()

        timer = threading.Timer(seconds, give_up)
        timer.daemon = True
        timer.start()
        try:
            head, body = self._asked(request, content, how)
        except (EOFError, OSError, KeyError) as error:
            self.end()
            raise InputError(_epitaph(source.name, late.is_set(), seconds, self._process.wait())) from error
        except (
            BaseException
        ):  # the user's interruption: the answer would be taken for that of the next request
            self.end()
            raise
        finally:
            timer.cancel()
        if "refused" in head:
            raise InputError(str(head["refused"]))
        if "failed" in head:
            raise RuntimeError(
                f"{head['failed']} (while decoding {source.name})\n{head.get('traceback', '')}"
            )
        return np.frombuffer(body, np.uint8).reshape(how.shape)

    def _asked(self, request: dict[str, Any], content: bytes, how: Reading) -> tuple[dict[str, Any], bytes]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        send(self._process.stdin, request, content)
        head = receive(self._process.stdout)
        if "shape" not in head:
            return head, b""
        size = int(np.prod(how.shape))  # what is expected, whatever the process says
        body = self._process.stdout.read(size)
        if tuple(head["shape"]) != how.shape or len(body) != size:
            raise EOFError
        return head, body

    def _wait_until_ready(self) -> None:
        if self._ready:
            return
        assert self._process.stdout is not None
        try:
            receive(self._process.stdout)
        except EOFError as error:
            self.end()
            raise _not_started(f"it ended with the code {self._process.wait()}") from error
        self._ready = True

    @property
    def lives(self) -> bool:
        return self._process.poll() is None

    def end(self) -> None:
        """End the process now, whatever it does."""
        self._process.kill()
        for stream in (self._process.stdin, self._process.stdout):
            try:
                if stream is not None:
                    stream.close()
            except OSError:  # what was still to be written has no reader
                pass
        self._process.wait()


class _Pool:
    """Processes that wait, for the threads of this one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[_Process] = []
        self._places = threading.BoundedSemaphore(max(1, min(MOST_PROCESSES, os.cpu_count() or 1)))

    def run(self, job: Callable[[_Process], NDArray[np.uint8]]) -> NDArray[np.uint8]:
        """Do a job in a process that is free; a new one where there is none."""
        with self._places:
            with self._lock:
                process = self._waiting.pop() if self._waiting else None
            if process is None or not process.lives:
                process = _Process()
            try:
                return job(process)
            finally:
                if process.lives:
                    with self._lock:
                        self._waiting.append(process)

    def close(self) -> None:
        """End the processes that wait."""
        with self._lock:
            waiting, self._waiting = self._waiting, []
        for process in waiting:
            process.end()


_POOL = _Pool()
_FORGOTTEN: list[_Pool] = []


@atexit.register
def _close() -> None:
    _POOL.close()


def _forget() -> None:
    """After a fork the processes are the parent's: their pipes must not be shared."""
    global _POOL  # noqa: PLW0603
    _FORGOTTEN.append(_POOL)  # and must not be closed as if they were ours
    _POOL = _Pool()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def _seconds() -> float:
    text = os.environ.get(SECONDS, "")
    try:
        found = float(text) if text else MOST_SECONDS
    except ValueError:
        found = 0.0
    if not 0 < found < 10**6:
        raise InputError(f"{SECONDS} is {text!r}: give the number of seconds that a picture or clip may take")
    return found


def _epitaph(name: str, late: bool, seconds: float, code: int) -> str:
    """Why there is no answer."""
    if late:
        return (
            f"{name} takes more than {seconds:g} seconds to decode and was given up: cut out the part that is "
            f"meant, or set {SECONDS}"
        )
    how = f"exit code {code}"
    if code < 0:
        number = -code
        how = signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
    memory = "; there may not be enough memory" if how == "SIGKILL" else ""
    return (
        f"{name} cannot be decoded: the decoder crashed on it ({how}{memory}); it is damaged, or made to do "
        "harm: export it anew from a source that you trust"
    )


def _not_started(cause: str) -> ComposerError:
    return ComposerError(
        f"the process that decodes pictures and clips cannot be started: {cause}; {INLINE}=inline decodes without one"
    )
