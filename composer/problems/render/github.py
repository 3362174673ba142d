"""Problems as workflow commands, which show as annotations on the changed lines of a pull request."""

from __future__ import annotations

import re
from collections.abc import Iterable

from composer.problems.problem import Problem
from composer.problems.render.cells import visible

__all__ = ["problems_github"]

_LINE = re.compile(r"[^\r\n]+")


def problems_github(problems: Iterable[Problem]) -> str:
    """One `::error ...::message` or `::warning ...::message` line per problem."""
    return "".join(_command(problem) + "\n" for problem in problems)


def _command(problem: Problem) -> str:
    place = problem.place
    properties: dict[str, str | int] = {"title": f"composer {problem.code}"}
    if place.is_in_file:
        properties["file"] = place.file
    if place.is_in_file and place.line:
        properties |= {"line": place.line, "endLine": place.end_line or place.line}
        # An end column without a single line is refused by the receiver.
        if place.end_line in (0, place.line):
            properties |= {"col": place.column, "endColumn": max(place.end_column, place.column)}
    written = ",".join(f"{name}={_property(str(value))}" for name, value in properties.items())
    return f"::{problem.severity} {written}::{_data(_message(problem))}"


def _message(problem: Problem) -> str:
    """The message with its reasons, since an annotation shows one place alone."""
    lines = [problem.message, problem.label, *(f"{note.place}: {note.label}" for note in problem.notes)]
    return "\n".join([line for line in lines if line] + [f"help: {text}" for text in problem.helps])


def _data(text: str) -> str:
    safe = _LINE.sub(lambda line: visible(line[0]), text)
    return safe.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
