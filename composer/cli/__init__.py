"""The command line. Every command is imported when it is called."""

from __future__ import annotations

__all__ = ["main"]


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit code (0 fine, 1 problems found, 2 wrong usage)."""
    from composer.cli.dispatch import run

    return run(argv)
