"""How much memory a process took, asked inside of it."""

from __future__ import annotations

import subprocess
import sys

__all__ = ["PEAK", "most_allocated"]

PEAK = """
def peak():
    # Not resource.getrusage: a new process begins with the most that its parent had, so that nothing would be seen.
    with open("/proc/self/status") as file:
        return int(next(line for line in file if line.startswith("VmHWM")).split()[1])
"""
"""Code that defines `peak()`: the most KiB that the process has held (Linux)."""


def most_allocated(before: str, code: str) -> int:
    """The most bytes that Python held at once for `code`, in a process of its own, after `before` has run there.

    A process of its own, since another thread of this one (an earlier test may have left some) would be counted too.
    """
    traced = "\n".join(
        (
            before,
            "import tracemalloc",
            "tracemalloc.start()",
            code,
            "print(tracemalloc.get_traced_memory()[1])",
        )
    )
    done = subprocess.run([sys.executable, "-c", traced], capture_output=True, text=True, check=True)
    return int(done.stdout.splitlines()[-1])
