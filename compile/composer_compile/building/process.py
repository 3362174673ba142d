"""Building in a process of its own: a library's builder can end the process that it runs in, and it changes torch.

One process builds program after program, because it takes seconds until it can begin. It gets jobs through its
standard input and answers each with one line; a stage comes to it as the file of an exported program (`stage_file`),
and what it builds lies in the folder of the job. It ends when its input does, or the process that started it.
"""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from composer.problems.endings import ending_of
from composer_compile.errors import BackendError, BuilderEndedError, CompileError, TemporaryFolderError

__all__ = ["BuilderProcess", "Job", "serve"]

TOLD = {each.__name__: each for each in (BackendError, CompileError, TemporaryFolderError)}
"""Errors of a job that come back as they are."""
SERVE = "from composer_compile.building.process import serve; serve()"
NOTICE = re.compile(r"WARNING|[DIVW]\d{4} \d\d:|Fatal Python error")
"""How lines begin that libraries and torch log below an error, and what Python tells of its own end."""
FATAL = re.compile(r"^Fatal Python error", re.MULTILINE)
FRAME = re.compile(r'Current thread .*\n  File "(?P<file>.+)", line (?P<line>\d+) in (?P<function>\S+)')
"""Where the thread stood that a signal ended, as Python tells it (`faulthandler`)."""
LOOKS_EVERY_S = 1.0


class Job(Protocol):
    """What to build: it goes to the process as a pickle, and `run` is called there."""

    @property
    def stage(self) -> str:
        """The name of the stage, for messages."""
        ...

    @property
    def library(self) -> str:
        """What builds it, for messages."""
        ...

    def run(self) -> None:
        """Build. Raises CompileError or BackendError; of other errors the first line is told."""


class BuilderProcess:
    """The other process as its user sees it: started when it is first needed, and again after it was ended."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self._environment = dict(environment or {})
        self._running: _Running | None = None
        self._lock = threading.Lock()
        self._closed = False

    def start(self) -> _Running:
        """Start the process, unless it runs, so that it is ready when something is to be built."""
        with self._lock:
            if self._closed:
                raise BuilderEndedError("nothing is built any more: the command has ended")
            if self._running is None:
                self._running = _Running(self._environment)
                weakref.finalize(self, self._running.close)
            return self._running

    def do(self, job: Job) -> None:
        """Run a job there.

        Raises:
            CompileError: it fails. BuilderEndedError: it ended the process. BackendError: a library cannot be used.
            TemporaryFolderError: it finds no room for its files.
        """
        running = self.start()
        try:
            answer = running.ask(job)
        except BaseException:  # an interrupted command waits for no program
            running.kill()
            raise
        finally:
            if running.ended:
                self._running = None
        if answer is None:
            raise BuilderEndedError(
                f"stage {job.stage} cannot be built: {job.library} ended the process that builds "
                f"({running.ending()})"
            )
        for kind, message in answer.items():
            raise TOLD[kind](message)

    def close(self) -> None:
        """End the process at once, whatever it builds, and start no other."""
        with self._lock:
            self._closed = True
            if self._running is not None:
                self._running.kill()


class _Running:
    def __init__(self, environment: Mapping[str, str]) -> None:
        self.printed = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the process)
        self.process = subprocess.Popen(
            # Nobody reads warnings there; the last line that is printed tells how the process ended.
            [sys.executable, "-u", "-W", "ignore", "-X", "faulthandler", "-c", SERVE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.printed,
            env={**os.environ, **environment, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        self.ended = False

    def ask(self, job: Job) -> dict[str, str] | None:
        """The answer to a job; None where the process ended over it."""
        requests, answers = self.process.stdin, self.process.stdout
        assert requests is not None
        assert answers is not None
        try:
            pickle.dump(job, requests)
            requests.flush()
            line = answers.readline()
        except BrokenPipeError:
            line = b""
        self.ended = not line
        found: dict[str, str] | None = json.loads(line) if line else None
        return found

    def ending(self) -> str:
        """How the process ended, where it stood, and the last that was printed in it."""
        how = ending_of(self.process.wait())
        self.printed.seek(0)
        printed = self.printed.read().decode(errors="replace")
        before, *fatal = FATAL.split(printed, maxsplit=1)
        frame = FRAME.search(fatal[0]) if fatal else None
        if frame is not None:
            how += f" in {_shortened(frame['file'])}, line {frame['line']}, {frame['function']}"
        said = [line.strip() for line in before.splitlines() if line.strip() and not NOTICE.match(line)]
        return f"{how}: {said[-1]}" if said else how

    def kill(self) -> None:
        self.ended = True
        self.process.kill()

    def close(self) -> None:
        """Let the process end."""
        for stream in (self.process.stdin, self.process.stdout, self.printed):
            assert stream is not None
            with contextlib.suppress(BrokenPipeError):  # what an ended process was not given any more
                stream.close()
        self.process.wait()


def _shortened(file: str) -> str:
    """A path of an installed package from the package on."""
    return "/".join(Path(file.rpartition("site-packages/")[2]).parts[-4:])


def serve() -> None:
    """What the process does: build until standard input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the library prints is not an answer
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who started the process decides, and ends it
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    while True:
        try:
            job: Job = pickle.load(sys.stdin.buffer)
        except EOFError:
            os._exit(0)  # the library has ended processes while they end
        print(json.dumps(_answer(job)), file=answers, flush=True)


def _end_with(parent: int) -> None:
    """A build may take minutes, in which nobody reads standard input."""
    while os.getppid() == parent:
        time.sleep(LOOKS_EVERY_S)
    os._exit(1)


def _answer(job: Job) -> dict[str, str]:
    """Nothing, or the name of an error's class and its message."""
    try:
        job.run()
    except tuple(TOLD.values()) as error:
        return {type(error).__name__: str(error)}
    except Exception as error:  # what a library gives may be read wrongly
        traceback.print_exc()
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        return {CompileError.__name__: f"stage {job.stage} cannot be built by {job.library} ({reason})"}
    return {}
