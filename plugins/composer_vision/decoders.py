"""Decoding in processes of their own: started when there is something to decode, kept for what follows.

A file can crash the libraries that decode it, or keep them busy for ever. That ends such a process; here it is one
sentence. Only frames of the model's size come back through the pipe, so that the way costs next to nothing.
"""

from __future__ import annotations

import atexit
import json
import math
import os
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from composer.problems import ComposerError, InputError
from composer.problems.endings import ending_of
from composer.problems.media_source import MediaSource
from composer_vision.reading import Reading, read
from composer_vision.wire import receive, send

__all__ = ["decode_all"]

INLINE = "COMPOSER_MEDIA"
"""The environment variable that, set to `inline`, decodes in this process: where none can be started, and to debug."""
SECONDS = "COMPOSER_MEDIA_SECONDS"
"""The environment variable that sets how long one picture or clip may take."""
MOST_SECONDS = 300.0
MOST_PROCESSES = 4
MOST_BYTES_AHEAD = 4096
"""Of requests that are not answered yet, where there are several: less than a pipe holds, or both ends would wait."""
LARGEST_HEAD = 300
"""Bytes of a request besides its path and its content."""

Result = TypeVar("Result")

# The package is put in place without its entry module, which declares configs that nobody needs here: the process is
# ready in a third of the time.
START = """
import json, sys, types
paths, folder = json.loads(sys.argv[1])
sys.path += [path for path in paths if path not in sys.path]
package = types.ModuleType("composer_vision")
package.__path__ = [folder]
sys.modules["composer_vision"] = package
from composer_vision.decoder_process import serve
serve()
"""


def decode_all(sources: Sequence[MediaSource], how: Reading) -> list[NDArray[np.uint8] | InputError]:
    """What `read` gives of each, up to the first that cannot be decoded: its error, whatever the reason, comes last."""
    if os.environ.get(INLINE) == "inline" or not sys.executable:
        return _read_all(sources, how)
    return _POOL.run(lambda process: process.decode_all(sources, how))


def _read_all(sources: Sequence[MediaSource], how: Reading) -> list[NDArray[np.uint8] | InputError]:
    found: list[NDArray[np.uint8] | InputError] = []
    for source in sources:
        try:
            found.append(read(source, how))
        except InputError as error:
            return [*found, error]
    return found


class _Patience:
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


class _Process:
    """One process that decodes one thing at a time."""

    def __init__(self) -> None:
        path = json.dumps([_code_folders(), os.path.dirname(os.path.abspath(__file__))])
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
        self._patience = _Patience(self._process)
        self._ready = False

    def decode_all(
        self, sources: Sequence[MediaSource], how: Reading
    ) -> list[NDArray[np.uint8] | InputError]:
        """One after the other, and requests that are small are sent before they are answered, so that neither process
        waits for the other. See the function of this name.
        """
        seconds = _seconds()
        self._wait_until_ready()
        self._patience.begin(seconds)
        found: list[NDArray[np.uint8] | InputError] = []
        try:
            ahead = _Ahead(self._process, sources, how, seconds)
            for source in sources:
                ahead.send()
                try:
                    found.append(self._answer(source, how))
                except EOFError as error:
                    self.end()
                    told = InputError(
                        _epitaph(source.name, self._patience.is_over, seconds, self._process.wait())
                    )
                    told.__cause__ = error
                    return [*found, told]
                self._patience.renew()
                ahead.answered()
                if isinstance(found[-1], InputError):
                    break
            self._pass_over(ahead.unanswered, how)
        except BaseException:
            # The user's interruption: the answer would be taken for that of the next request.
            self.end()
            raise
        finally:
            self._patience.end()
        return found

    def _pass_over(self, count: int, how: Reading) -> None:
        """Read the answers to what was asked after something that cannot be decoded."""
        try:
            for _ in range(count):
                self._head_and_frames(how)
        except EOFError:
            self.end()

    def _answer(self, source: MediaSource, how: Reading) -> NDArray[np.uint8] | InputError:
        head, body = self._head_and_frames(how)
        if "refused" in head:
            return InputError(str(head["refused"]))
        if "failed" in head:
            raise RuntimeError(
                f"{head['failed']} (while decoding {source.name})\n{head.get('traceback', '')}"
            )
        return np.frombuffer(body, np.uint8).reshape(how.shape)

    def _head_and_frames(self, how: Reading) -> tuple[dict[str, Any], bytes]:
        """The head of the next answer, and the frames. Raises EOFError where there is none, or something else."""
        assert self._process.stdout is not None
        head = receive(self._process.stdout)
        if any(isinstance(head.get(key), str) for key in ("refused", "failed")):
            return head, b""
        if head.get("shape") != list(how.shape):  # what is expected, whatever the process says
            raise EOFError
        size = math.prod(how.shape)
        body = self._process.stdout.read(size)
        if len(body) != size:
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
            raise _not_started(f"it ended with {ending_of(self._process.wait())}") from error
        except BaseException:  # half of its first message may be read
            self.end()
            raise
        self._ready = True

    @property
    def lives(self) -> bool:
        return self._process.poll() is None

    def end(self) -> None:
        """End the process now, whatever it does, and close its pipes; once more is no harm."""
        self._patience.close()
        self._process.kill()
        for stream in (self._process.stdin, self._process.stdout):
            with suppress(OSError):  # what was still to be written has no reader
                if stream is not None:
                    stream.close()
        self._process.wait()


class _Ahead:
    """Requests to a process: the next one, and more of them while all that wait fit into any pipe."""

    def __init__(
        self, process: subprocess.Popen[bytes], sources: Sequence[MediaSource], how: Reading, seconds: float
    ) -> None:
        # The process's own clock, for when nobody is here to end it, is that much later.
        self._common = {"seconds": seconds + 10, "how": asdict(how)}
        self._process = process
        self._sources = iter(sources)
        self._next = next(self._sources, None)
        self._sizes: deque[int] = deque()

    @property
    def unanswered(self) -> int:
        return len(self._sizes)

    def send(self) -> None:
        """Send what may be sent now. What a process that has ended does not take, its missing answer tells."""
        assert self._process.stdin is not None
        while self._next is not None:
            content = self._next.content if isinstance(self._next.content, bytes) else b""
            path = None if isinstance(self._next.content, bytes) else str(self._next.content)
            head = {"name": self._next.name, "path": path, "bytes": len(content), **self._common}
            size = LARGEST_HEAD + 2 * len(path or "") + len(content)
            if self._sizes and sum(self._sizes) + size > MOST_BYTES_AHEAD:
                return
            self._sizes.append(size)
            self._next = next(self._sources, None)
            with suppress(OSError):
                send(self._process.stdin, head, content)

    def answered(self) -> None:
        self._sizes.popleft()


class _Pool:
    """Processes that wait, for the threads of this one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[_Process] = []
        self._places = threading.BoundedSemaphore(max(1, min(MOST_PROCESSES, os.cpu_count() or 1)))

    def run(self, job: Callable[[_Process], Result]) -> Result:
        """Do a job in a process that is free; a new one where there is none."""
        with self._places:
            with self._lock:
                process = self._waiting.pop() if self._waiting else None
            if process is not None and not process.lives:
                process.end()
                process = None
            process = process or _Process()
            try:
                return job(process)
            finally:
                if process.lives:
                    with self._lock:
                        self._waiting.append(process)
                else:
                    process.end()

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


def _code_folders() -> list[str]:
    """Where this process finds code, for another one: an empty path is the folder that this one is in."""
    found = []
    for each in sys.path:
        with suppress(OSError):  # that folder is gone
            if isinstance(each, str):  # Python passes over others as well
                found.append(os.path.abspath(each))
    return found


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
    how = ending_of(code)
    memory = "; there may not be enough memory" if how == "SIGKILL" else ""
    return (
        f"{name} cannot be decoded: the decoder crashed on it ({how}{memory}); it is damaged, or made to do "
        "harm: export it anew from a source that you trust"
    )


def _not_started(cause: str) -> ComposerError:
    return ComposerError(
        f"the process that decodes pictures and clips cannot be started: {cause}; {INLINE}=inline decodes without one"
    )
