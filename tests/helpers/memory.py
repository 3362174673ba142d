"""How much memory a process took, asked inside of it."""

from __future__ import annotations

__all__ = ["PEAK"]

PEAK = """
def peak():
    # Not resource.getrusage: a new process begins with the most that its parent had, so that nothing would be seen.
    with open("/proc/self/status") as file:
        return int(next(line for line in file if line.startswith("VmHWM")).split()[1])
"""
"""Code that defines `peak()`: the most KiB that the process has held (Linux)."""
