"""What commands print. Nothing else in the command line writes to a stream, so that these rules hold for all of it:

what people read has no character that could steer their terminal; what machines read is UTF-8 whatever the locale.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from composer.cli.streams import answers

if TYPE_CHECKING:
    from composer.problems import Problem

__all__ = ["complain", "print_document", "print_json", "print_problems", "remark", "say", "write_machine"]


def say(text: object = "", *, end: str = "\n", flush: bool = False) -> None:
    """Print an answer for people on standard output."""
    from composer.problems.render.cells import printable

    answers().write(printable(f"{text}{end}"))
    if flush:
        answers().flush()


def remark(text: object, *, end: str = "\n") -> None:
    """Print what stands beside the answer (progress, warnings) on standard error."""
    from composer.problems.render.cells import printable

    sys.stderr.write(printable(f"{text}{end}"))
    sys.stderr.flush()


def complain(text: object) -> None:
    """Print why a command failed on standard error; where nobody reads it any more, the exit code says it alone."""
    with contextlib.suppress(OSError, ValueError):
        remark(f"composer: error: {text}")


def write_machine(text: str) -> None:
    """Write text for machines to standard output, in UTF-8."""
    reconfigure = getattr(answers(), "reconfigure", None)
    if reconfigure is not None:
        reconfigure(encoding="utf-8", errors="backslashreplace")
    answers().write(text)


def print_document(text: str) -> None:
    """Print a document, or a graph as text: people read it, and machines do, so that the rules of both hold."""
    from composer.problems.render.cells import printable

    write_machine(printable(text))


def print_json(value: object, *, indent: int | None = 2) -> None:
    """Print one JSON value: what every command with `--json` ends in."""
    from composer.problems.render.machine import json_text

    write_machine(json_text(value, indent=indent) + "\n")


def print_problems(
    problems: Iterable[Problem],
    sources: Mapping[str, str] | None,
    *,
    format: str = "text",
    stream: TextIO | None = None,
    fixed: Iterable[Problem] = (),
) -> None:
    """Write `problems` to `stream` (standard output unless said otherwise), coloured where it is a terminal.

    `fixed` holds those that are gone by now. Without `sources` the lines are read from the files that the problems
    name, as far as they can be read.
    """
    from composer.problems.render import render, wants_color

    out = answers() if stream is None else stream
    found = tuple(problems)
    texts = _read_sources(found) if sources is None else sources
    text = render(found, texts, format, wants_color(out), fixed=fixed)
    if format != "text" and stream is None:
        write_machine(text)
    else:
        out.write(text)


def _read_sources(problems: Iterable[Problem]) -> dict[str, str]:
    from composer.language import text_for_display

    places = [
        place for problem in problems for place in (problem.place, *(note.place for note in problem.notes))
    ]
    texts = {file: text_for_display(Path(file)) for file in {place.file for place in places}}
    return {file: text for file, text in texts.items() if text is not None}
