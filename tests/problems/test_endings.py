"""The ending of a process is told by the name that people know it by."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from composer.problems.endings import ending_of


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (0, "exit code 0"),
        (3, "exit code 3"),
        (-9, "SIGKILL"),
        (-int(signal.SIGSEGV), "SIGSEGV"),
        (-40, "signal 40"),
    ],
)
def test_codes(code: int, words: str) -> None:
    assert ending_of(code) == words


@pytest.mark.parametrize(
    ("number", "words"), [(signal.SIGTERM, "SIGTERM"), (signal.SIGRTMIN + 3, "signal 37")]
)
def test_a_process(number: int, words: str) -> None:
    process = subprocess.Popen([sys.executable, "-c", f"import os; os.kill(os.getpid(), {int(number)})"])
    assert ending_of(process.wait()) == words
