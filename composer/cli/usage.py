"""What a command line says wrong by itself, whatever the document, the files and the machine."""

from __future__ import annotations

from composer.problems import ComposerError

__all__ = ["UsageError"]


class UsageError(ComposerError):
    """An option that says two things, or has a value that is none; the exit code is 2, as for what argparse refuses."""


def plain_path(path: str) -> str:
    """A path that no command takes for an option."""
    return f"./{path}" if path.startswith("-") else path
