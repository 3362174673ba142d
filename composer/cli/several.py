"""Starting a command in several processes of this machine, and ending them together."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from os import _exit  # plugins are loaded with another one in its place
from typing import IO

from composer.cli.output import complain, remark

__all__ = ["follow_launcher", "run_several"]

PATIENCE_S = 5.0
"""What processes have to end in when one of them has failed."""
STORING_S = 600.0
"""What they have to store the run in when they are asked to end."""
LAUNCHED = "COMPOSER_LAUNCHED"
"""The variable that says to a process that its standard input is a pipe from its launcher, which sends nothing."""


def run_several(words: Sequence[str], count: int) -> int:
    """Run `composer WORDS` in so many processes that know of each other, as torch's own launcher would. Returns the
    exit code of the first that failed, or 0. What the first process prints is shown; what others print, only where they
    fail and the first did not.
    """
    with ExitStack() as stack:
        errors = [None, *(stack.enter_context(tempfile.TemporaryFile("w+")) for _ in range(count - 1))]
        running = [
            _start(words, rank, count, errors[rank], port)
            for port in (_free_port(),)
            for rank in range(count)
        ]
        try:
            failed = _waited(running)
        except KeyboardInterrupt as stop:  # Ctrl-C reached them, too; another signal did not
            number = getattr(stop, "number", None)
            for process in running:
                if number is not None:
                    process.send_signal(number)
            _await_end(running)
            raise
        if failed:
            _end(running)
            if file := errors[failed[0]]:
                file.seek(0)
                lines = file.read().splitlines()
                remark("\n".join(lines[-20:]))
                complain(f"process {failed[0]} of {count} failed")
            return _code(running[failed[0]].returncode)
        return 0


def follow_launcher() -> None:
    """End when the launcher does, however that ended: a process that goes on alone would write into the files of the
    run that is started next. Does nothing in a process that `run_several` did not start.
    """
    if LAUNCHED in os.environ:
        threading.Thread(target=_end_with_launcher, name="composer-launcher", daemon=True).start()


def _end_with_launcher() -> None:
    while os.read(0, 1):  # nothing ever comes but the end
        pass
    _exit(1)


def _start(
    words: Sequence[str], rank: int, count: int, errors: IO[str] | None, port: int
) -> subprocess.Popen[bytes]:
    own = {
        "RANK": rank,
        "LOCAL_RANK": rank,
        "WORLD_SIZE": count,
        "LOCAL_WORLD_SIZE": count,
        "MASTER_PORT": port,
    }
    shared = {"MASTER_ADDR": "127.0.0.1", "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")}
    quiet = {"TORCH_CPP_LOG_LEVEL": os.environ.get("TORCH_CPP_LOG_LEVEL", "ERROR")}
    told = {key: str(value) for key, value in own.items()}
    environment = {**os.environ, **quiet, **shared, **told, LAUNCHED: "1"}
    output = None if rank == 0 else subprocess.DEVNULL
    return subprocess.Popen(
        [sys.executable, "-m", "composer", *words],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=output,
        stderr=errors,
    )


def _await_end(running: Sequence[subprocess.Popen[bytes]]) -> None:
    """Wait until all have ended as they were asked to; those that do not are ended: they may stand in code that hears
    no signal. The first process stores the run: the others are not needed once it has ended.
    """
    until = time.monotonic() + STORING_S
    while None in (codes := [process.poll() for process in running]):
        if codes[0] is not None:
            until = min(until, time.monotonic() + PATIENCE_S)
        if time.monotonic() > until:
            _end(running)
            break
        time.sleep(0.05)


def _waited(running: Sequence[subprocess.Popen[bytes]]) -> list[int]:
    """Wait until all have ended well, or one has not; returns the numbers of those that have not. The first one may say
    what is wrong with all of them: it is waited for.
    """
    until = 0.0
    while True:
        codes = [process.poll() for process in running]
        failed = [rank for rank, code in enumerate(codes) if code]
        if all(code == 0 for code in codes) or codes[0]:
            return failed
        if failed:
            until = until or time.monotonic() + PATIENCE_S
            if time.monotonic() > until:
                return failed
        time.sleep(0.05)


def _end(running: Sequence[subprocess.Popen[bytes]]) -> None:
    for process in running:
        process.send_signal(signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
    until = time.monotonic() + PATIENCE_S
    for process in running:
        process.wait(max(until - time.monotonic(), 0.1))


def _code(code: int | None) -> int:
    return 1 if code is None else code if code > 0 else 128 - code


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port
