"""A process that decodes, from the side of the one that asks it: its start, its answers, and what its end means."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib.util import find_spec
from typing import Any

from composer.media.decoder_requests import Ahead, DecodedArray, MediaDecoder, Wanted
from composer.media.patience import Patience
from composer.media.wire import receive
from composer.problems import ComposerError, InputError
from composer.problems.endings import ending_of
from composer.problems.media_source import MediaSource

__all__ = ["INLINE", "Answers", "DecodingProcess"]

INLINE = "COMPOSER_MEDIA"
"""The environment variable that, set to `inline`, decodes in this process: where none can be started, and to debug."""
SECONDS = "COMPOSER_MEDIA_SECONDS"
"""The environment variable that sets how long one file may take."""
MOST_SECONDS = 300.0

Answers = list[DecodedArray | InputError]

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


class DecodingProcess:
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
