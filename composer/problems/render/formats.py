"""One door to every output format."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from composer.problems.problem import Problem
from composer.problems.render.style import Style

__all__ = ["FORMATS", "render", "summary"]

FORMATS = ("text", "json", "sarif", "github")
"""The names that `--format` takes."""


def render(
    problems: Iterable[Problem],
    sources: Mapping[str, str],
    format: str = "text",
    color: bool = False,
    *,
    width: int = 110,
    fixed: Iterable[Problem] = (),
) -> str:
    """Write `problems` in one of `FORMATS`. Text without problems is empty; all else ends with a line break.

    Args:
        problems: what the checker found, in the order in which it is shown.
        sources: file name (as in `Place.file`) to text; a file that is missing here is shown without its lines.
        format: one of `FORMATS`.
        color: whether text is written with terminal colours (see `wants_color`).
        fixed: problems that were fixed just now, which the format `json` lists with their edits.
        width: columns of source shown per line in text; longer lines are clipped around the marks.

    Raises:
        ValueError: `format` is unknown.
    """
    found = tuple(problems)
    if format == "text" and not found:
        return ""
    if format == "text":
        from composer.problems.render.text import problem_text

        blocks = [problem_text(problem, sources, Style(color), width) for problem in found]
        return "\n".join([*blocks, f"{summary(found)}\n"])
    if format == "json":
        from composer.problems.render.as_json import problems_json

        return problems_json(found, fixed)
    if format == "sarif":
        from composer.problems.render.sarif import problems_sarif

        return problems_sarif(found)
    if format == "github":
        from composer.problems.render.github import problems_github

        return problems_github(found)
    raise ValueError(f"{format!r} is not an output format; there are {', '.join(FORMATS)}")


def summary(problems: Iterable[Problem]) -> str:
    """One line that counts: `2 errors, 1 warning in 1 file`, or `no problems`."""
    found = tuple(problems)
    if not found:
        return "no problems"
    counts = [
        _count(sum(problem.severity == severity for problem in found), severity)
        for severity in ("error", "warning")
    ]
    files = len({problem.place.file for problem in found if problem.place.is_in_file})
    where = f" in {_count(files, 'file')}" if files else ""
    return f"{', '.join(filter(None, counts))}{where}"


def _count(number: int, noun: str) -> str:
    if number == 0:
        return ""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
