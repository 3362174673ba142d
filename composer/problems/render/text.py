"""Problems as text for people: the message, the lines that matter with marks under them, and what to write instead."""

from __future__ import annotations

from collections.abc import Mapping

from composer.problems.place import Place
from composer.problems.problem import Problem
from composer.problems.render.cells import clean
from composer.problems.render.snippet import Highlight, snippet
from composer.problems.render.style import Style

__all__ = ["problem_text"]


def problem_text(problem: Problem, sources: Mapping[str, str], style: Style, width: int) -> str:
    """One problem as a block of lines, the last one ended too.

    The file of the problem comes first, then every other file that a note points into, each under its own heading.
    """
    title = style.paint(problem.severity, f"{problem.severity}[{problem.code}]")
    rows = [title + style.paint("title", f": {clean(problem.message)}")]
    spans = _spans(problem)
    gutter = max(len(str(span.line)) for span in spans)
    for file in dict.fromkeys(span.place.file for span in spans):
        here = [span for span in spans if span.place.file == file]
        corner = style.paint("gutter", " " * gutter + " ┌─")
        rows.append(f"{corner} {clean(_location(here[0].place))}")
        if file in sources:
            rows += snippet(here, sources[file], gutter, style, width)
        else:
            rows += [_remark("note", span.label, gutter, style, "secondary") for span in here if span.label]
    rows += [_remark("help", text, gutter, style, "help") for text in problem.helps]
    return "\n".join(rows) + "\n"


def _spans(problem: Problem) -> list[Highlight]:
    primary = Highlight(problem.place, problem.label, "^", problem.severity)
    return [primary, *(Highlight(note.place, note.label, "-", "secondary") for note in problem.notes)]


def _location(place: Place) -> str:
    return str(place) if place.line else place.file


def _remark(kind: str, text: str, gutter: int, style: Style, role: str) -> str:
    """`= help: ...`; further lines of the text (an example to copy) keep their indent under the first."""
    first, *others = text.splitlines() or [""]
    margin = " " * (gutter + 1)
    head = f"{margin}{style.paint('gutter', '=')} {style.paint(role, kind)}: {clean(first)}"
    return "\n".join([head, *(f"{margin}        {clean(line)}".rstrip() for line in others)])
