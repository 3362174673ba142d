"""What commands print: problems with the lines they stand on."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TextIO

from composer.problems import Problem
from composer.problems.render import render, wants_color

__all__ = ["print_problems"]


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
    out = sys.stdout if stream is None else stream
    found = tuple(problems)
    texts = _read_sources(found) if sources is None else sources
    out.write(render(found, texts, format, wants_color(out), fixed=fixed))


def _read_sources(problems: Iterable[Problem]) -> dict[str, str]:
    from composer.language import text_for_display

    places = [
        place for problem in problems for place in (problem.place, *(note.place for note in problem.notes))
    ]
    texts = {file: text_for_display(Path(file)) for file in {place.file for place in places}}
    return {file: text for file, text in texts.items() if text is not None}
