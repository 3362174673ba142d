"""Decoding in processes of their own: started when there is something to decode, kept for what follows.

A file can crash the libraries that decode it, or keep them busy for ever. That ends such a process; here it is one
sentence. Only what a model takes comes back through the pipe, so that the way costs next to nothing.
"""

from __future__ import annotations

import atexit
import json
import math
import os
import pkgutil
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib.util import find_spec
from typing import Any, TypeVar

from composer.media.decoder_requests import Ahead, DecodedArray, MediaDecoder, Wanted
from composer.media.patience import Patience
from composer.media.wire import receive
from composer.problems import ComposerError, InputError
from composer.problems.endings import ending_of
from composer.problems.media_source import MediaSource

__all__ = ["DecodedArray", "MediaDecoder", "Wanted", "decode_all", "read_each"]

INLINE = "COMPOSER_MEDIA"
"""The environment variable that, set to `inline`, decodes in this process: where none can be started, and to debug."""
SECONDS = "COMPOSER_MEDIA_SECONDS"
"""The environment variable that sets how long one file may take."""
MOST_SECONDS = 300.0
MOST_PROCESSES = 4

Result = TypeVar("Result")

# The package is put in place without its entry module, which declares configs that nobody needs here: the process is
# ready in a third of the time.
START = """
import json, sys, types
start = json.loads(sys.argv[1])
sys.path += [path for path in start["paths"] if path not in sys.path]
package = types.ModuleType(start["package"])
package.__path__ = start["folders"]
sys.modules[start["package"]] = package
from composer.media.decoder_process import serve
serve(start["read"], start["ahead"])
"""


def decode_all(
    decoder: MediaDecoder, sources: Sequence[MediaSource], wanted: Wanted
) -> list[DecodedArray | InputError]:
    """What the decoder gives of each, up to the first that cannot be decoded: its error comes last."""
    if os.environ.get(INLINE) == "inline" or not sys.executable:
        return _read_all(decoder, sources, wanted)
    return _pool_of(decoder).run(lambda process: process.decode_all(sources, wanted))


def read_each(
    values: Sequence[Any],
    what: str,
    decode: Callable[[Sequence[MediaSource]], Sequence[Result | InputError]],
    here: Callable[[Any], Result],
) -> list[Result]:
    """Every value of a batch: paths and bytes by `decode`, which stops at the first error, all others by `here`.

    `what` one of them is: "picture". Raises InputError; of several, the one that cannot be read is named by its number.
    """
    if isinstance(values, (str, bytes)) or not len(values):
        raise InputError(f"a batch is a list with at least one {what}: put a single one in brackets")
    found: dict[int, Result] = {}
    sources: dict[int, MediaSource] = {}
    for number, value in enumerate(values):
        try:
            if isinstance(value, (str, os.PathLike, bytes)):
                sources[number] = MediaSource.of(value, what)
            else:
                found[number] = here(value)
        except InputError as error:
            raise _of_batch(error, number, values, what) from error.__cause__
    answers = decode(list(sources.values())) if sources else []
    for number, answer in zip(sources, answers, strict=False):  # none follows an error
        if isinstance(answer, InputError):
            raise _of_batch(answer, number, values, what) from answer.__cause__
        found[number] = answer
    return [found[number] for number in range(len(values))]


def _of_batch(error: InputError, number: int, values: Sequence[Any], what: str) -> InputError:
    return error if len(values) == 1 else InputError(f"{what} {number + 1} of the batch: {error}")


def _read_all(
    decoder: MediaDecoder, sources: Sequence[MediaSource], wanted: Wanted
) -> list[DecodedArray | InputError]:
    read = pkgutil.resolve_name(decoder.read)
    found: list[DecodedArray | InputError] = []
    for source in sources:
        try:
            array = read(source, **wanted.how)
            found.append(DecodedArray(array.shape, array.tobytes()))
        except InputError as error:
            return [*found, error]
    return found


class _Process:
    """One process that decodes one thing at a time."""

    def __init__(self, decoder: MediaDecoder) -> None:
        one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-c", START, _start(decoder)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**os.environ, **one},
            )
        except OSError as error:
            raise _not_started(decoder, error.strerror or str(error)) from error
        self._decoder = decoder
        self._patience = Patience(self._process)
        self._ready = False

    def decode_all(self, sources: Sequence[MediaSource], wanted: Wanted) -> list[DecodedArray | InputError]:
        """One after the other, and requests that are small are sent before they are answered, so that neither process
        waits for the other. See the function of this name.
        """
        seconds = _seconds()
        self._wait_until_ready()
        self._patience.begin(seconds)
        found: list[DecodedArray | InputError] = []
        try:
            ahead = Ahead(self._process, sources, wanted, seconds)
            for source in sources:
                ahead.send()
                try:
                    found.append(self._answer(source, wanted))
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
            self._pass_over(ahead.unanswered, wanted)
        except BaseException:
            # The user's interruption: the answer would be taken for that of the next request.
            self.end()
            raise
        finally:
            self._patience.end()
        return found

    def _pass_over(self, count: int, wanted: Wanted) -> None:
        """Read the answers to what was asked after something that cannot be decoded."""
        try:
            for _ in range(count):
                self._head_and_body(wanted)
        except EOFError:
            self.end()

    def _answer(self, source: MediaSource, wanted: Wanted) -> DecodedArray | InputError:
        head, body = self._head_and_body(wanted)
        if "refused" in head:
            return InputError(str(head["refused"]))
        if "failed" in head:
            raise RuntimeError(
                f"{head['failed']} (while decoding {source.name})\n{head.get('traceback', '')}"
            )
        return DecodedArray(tuple(head["shape"]), body)

    def _head_and_body(self, wanted: Wanted) -> tuple[dict[str, Any], bytes]:
        """The head of the next answer, and the array. Raises EOFError where there is none, or something else."""
        assert self._process.stdout is not None
        head = receive(self._process.stdout)
        if any(isinstance(head.get(key), str) for key in ("refused", "failed")):
            return head, b""
        if not wanted.fits(head.get("shape")):
            raise EOFError
        size = math.prod(head["shape"]) * wanted.item_bytes
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
            raise _not_started(self._decoder, f"it ended with {ending_of(self._process.wait())}") from error
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


class _Pool:
    """Processes of one decoder that wait, for the threads of this one."""

    def __init__(self, decoder: MediaDecoder) -> None:
        self._decoder = decoder
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
            process = process or _Process(self._decoder)
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


_POOLS: dict[MediaDecoder, _Pool] = {}
_FORGOTTEN: list[_Pool] = []


def _pool_of(decoder: MediaDecoder) -> _Pool:
    return _POOLS.setdefault(decoder, _Pool(decoder))


@atexit.register
def _close() -> None:
    for pool in _POOLS.values():
        pool.close()


def _forget() -> None:
    """After a fork the processes are the parent's: their pipes must not be shared."""
    _FORGOTTEN.extend(_POOLS.values())  # and must not be closed as if they were ours
    _POOLS.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def _start(decoder: MediaDecoder) -> str:
    """What the code in START is told."""
    package = decoder.read.partition(".")[0]
    spec = find_spec(package)
    folders = list((spec and spec.submodule_search_locations) or ())
    return json.dumps(
        {
            "paths": _code_folders(),
            "package": package,
            "folders": [os.path.abspath(folder) for folder in folders],
            "read": decoder.read,
            "ahead": decoder.ahead,
        }
    )


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
        raise InputError(f"{SECONDS} is {text!r}: give the number of seconds that a file may take")
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


def _not_started(decoder: MediaDecoder, cause: str) -> ComposerError:
    return ComposerError(
        f"the process that decodes {decoder.what} cannot be started: {cause}; {INLINE}=inline decodes without one"
    )
