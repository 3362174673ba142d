"""Problems as a JSON list: every key always present, in a fixed order."""

from __future__ import annotations

from collections.abc import Iterable

from composer.problems.place import Place
from composer.problems.problem import Problem
from composer.problems.render.machine import json_text

__all__ = ["problem_object", "problems_json"]


def problems_json(problems: Iterable[Problem], fixed: Iterable[Problem] = ()) -> str:
    """A JSON array with one object per problem, indented by two spaces.

    Those of `fixed` come first; they have the key `fixed`, their edits were made, and their places are those of the
    text before. It is plain ASCII, so that no terminal and no encoding can change it.
    """
    objects = [problem_object(problem) | {"fixed": True} for problem in fixed]
    objects += [problem_object(problem) for problem in problems]
    return json_text(objects) + "\n"


def problem_object(problem: Problem) -> dict[str, object]:
    """One problem as plain data: lines and columns count from 1, ends are exclusive, offsets count from 0."""
    return {
        "code": problem.code,
        "severity": problem.severity,
        "message": problem.message,
        "label": problem.label,
        "place": _place(problem.place),
        "notes": [{"label": note.label, "place": _place(note.place)} for note in problem.notes],
        "helps": list(problem.helps),
        "fix": [
            {"file": edit.file, "start": edit.start, "end": edit.end, "text": edit.text}
            for edit in problem.fix
        ],
    }


def _place(place: Place) -> dict[str, object]:
    return {
        "file": place.file,
        "line": place.line,
        "column": place.column,
        "end_line": place.end_line or place.line,
        "end_column": place.end_column or place.column,
        "start": place.start,
        "end": place.end,
    }
