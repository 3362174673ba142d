"""Ctrl-C ends every command with one line and the code that shells know, wherever it strikes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = (
    "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "  # background jobs ignore it
    "from composer.cli import main; sys.exit(main(sys.argv[1:]))"
)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
@pytest.mark.parametrize(
    "command",
    [["check"], ["show"], ["run", "--weights", "initial"], ["train"], ["compare"]],
    ids=lambda c: c[0],
)
def test_ctrl_c_is_one_line(tmp_path: Path, command: list[str]) -> None:
    """The document is a pipe that nobody writes to, so that the command is surely waiting for it."""
    pipe = tmp_path / "document.yaml"
    os.mkfifo(pipe)
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT, *command, str(pipe)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        with pipe.open("w"):  # opens once the command reads, and ends what it reads when closed
            process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (130, "", "composer: interrupted\n")


@pytest.mark.skipif(not Path("/dev/stdin").exists(), reason="needs /dev/stdin")
def test_a_document_may_come_through_a_pipe() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, "check", "/dev/stdin"],
        input="composer: 1\nname: piped\nextends: mplug2-base\n",
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "/dev/stdin: no problems\n", "")
