"""The command line. Every command is imported when it is called."""

from __future__ import annotations

__all__ = ["main"]


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit code (0 fine, 1 problems found, 2 wrong usage).

    Without `argv` it is the console script. With it, a program calls: a signal that ends the command ends the program.
    """
    from composer.cli.dispatch import run

    return run(argv)
