"""Measuring processes: started one after the other, read line by line, ended when the time is up."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = ["Clock", "findings"]

ROOT = Path(__file__).parents[2]
WORTH_STARTING_S = 10.0


class Clock:
    """What is left of a budget of seconds."""

    def __init__(self, budget_s: float) -> None:
        self.budget_s = budget_s
        self.began = time.monotonic()

    @property
    def left_s(self) -> float:
        return self.budget_s - (time.monotonic() - self.began)


def findings(job: dict[str, Any], name: str, clock: Clock, packages: str | None) -> Iterator[dict[str, Any]]:
    """What a measuring process finds; at last `skipped` or `failed` with the reason, where it did not end well."""
    if clock.left_s < WORTH_STARTING_S:
        yield {"skipped": f"the budget of {clock.budget_s:g} s was spent"}
        return
    print(f"{name} ({clock.left_s:.0f} s left) ...", file=sys.stderr, flush=True)
    paths = [*([packages] if packages else []), str(ROOT), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in paths if path)}
    command = [sys.executable, "-m", "benchmarks.gpu.job", json.dumps(job)]
    # A group of its own: compilers that it starts end with it.
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    is_late = threading.Event()

    def give_up() -> None:
        is_late.set()
        _end(process)

    alarm = threading.Timer(clock.left_s, give_up)
    alarm.start()
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("{"):  # libraries print, too
                yield json.loads(line)
        code = process.wait()
    finally:
        alarm.cancel()
        _end(process)
        process.stdout.close()  # type: ignore[union-attr]
    if is_late.is_set():
        yield {"skipped": f"stopped when the budget of {clock.budget_s:g} s was spent"}
    elif code:
        from composer.problems.endings import ending_of  # --packages may name where the project is installed

        yield {"failed": f"its process ended by {ending_of(code)}"}


def _end(process: subprocess.Popen[str]) -> None:
    """Kill the process and those that it started, where any are left."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
