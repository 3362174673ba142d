"""How another process ended, in words."""

from __future__ import annotations

__all__ = ["ending_of"]


def ending_of(code: int) -> str:
    """What a return code says, as a noun: the signal that ended the process (`SIGKILL`), or `exit code 3`."""
    if code >= 0:
        return f"exit code {code}"
    import signal

    try:
        return signal.Signals(-code).name
    except ValueError:  # those of the system have names, those in real time have none
        return f"signal {-code}"
