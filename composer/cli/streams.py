"""Standard output belongs to the command: what anything else writes there while it runs goes to standard error.

Plugins, and libraries that they bring, print what they like at import and while they work. Nobody who reads the answers
of a command, as JSON most of all, should find that between them.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

__all__ = ["OutputError", "answers", "own_output"]

_KEPT: list[TextIO] = []
"""Standard output of the command that runs."""


class OutputError(OSError):
    """Standard output cannot be written."""


class _Output(io.FileIO):
    """Standard output. What it says of itself is told apart from what other files say."""

    def write(self, content: ReadableBuffer, /) -> int:
        try:
            return super().write(content)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OutputError(error.errno, error.strerror) from None


def answers() -> TextIO:
    """Where the command that runs writes its answers: standard output, which it alone has."""
    return _KEPT[-1] if _KEPT else sys.stdout


@contextmanager
def own_output(*, ends: bool = False) -> Iterator[None]:
    """Keep standard output for `answers` while a command runs, and its descriptor too, which C code writes to.

    Where the program `ends` with the command, nothing more belongs there: what is printed at exit stays apart too.
    """
    before = sys.stdout
    before.flush()
    number = _taken(before)
    own = before if number is None else _reopened(before, number)
    _KEPT.append(own)
    try:
        with redirect_stdout(sys.stderr):
            yield
        own.flush()  # what cannot be written is an error, unless there is one already
    finally:
        _KEPT.pop()
        if number is not None:
            with suppress(OSError):
                own.flush()
            if not ends:
                os.dup2(own.fileno(), before.fileno())
            with suppress(OSError):
                own.close()


def _reopened(stream: TextIO, number: int) -> TextIO:
    held = io.BufferedWriter(_Output(number, "w"))
    return io.TextIOWrapper(held, stream.encoding, stream.errors, line_buffering=stream.isatty())


def _taken(stream: TextIO) -> int | None:
    """A second descriptor of standard output, the first now leading to standard error; None where there is no such."""
    errors = sys.__stderr__
    if stream is not sys.__stdout__ or errors is None or errors is not sys.stderr:
        return None  # somebody has taken the streams already, as a test does
    try:
        kept = os.dup(stream.fileno())
    except (OSError, ValueError):
        return None
    try:
        os.dup2(errors.fileno(), stream.fileno())
    except (OSError, ValueError):
        os.close(kept)
        return None
    return kept
