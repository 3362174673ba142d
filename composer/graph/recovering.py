"""What is known of a document that cannot be read whole: an editor needs its types while one types.

Lines that are in the way are looked past: each is as long as before and says nothing, so that all that stands around
it keeps its place. What is reported is why the document cannot be read, and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from composer.graph.checked import Report
from composer.language import Library, Source, resolve
from composer.plugin import Registry
from composer.problems import DocumentError

__all__ = ["as_far_as_known"]

LONGEST = 200_000
"""Letters of a text up to which it is read again: later ones take longer than the next letter that is typed."""

NEAR = 40
"""Lines before the one where reading ended, of which one alone may be the fault."""


def as_far_as_known(
    error: DocumentError,
    source: Source,
    library: Library,
    settings: Mapping[str, object] | None,
    registry: Registry,
) -> Report:
    """The report on a document that raises `error`: its problems, and the tasks as far as they can be told."""
    from composer.graph.checking import check_resolved

    for text in _without_faults(source, error) if len(source.text) <= LONGEST else ():
        try:
            resolved = resolve(replace(source, text=text), library, settings, partial=True)
        except DocumentError:
            continue
        found = check_resolved(resolved, registry)
        sources = {**found.sources, source.name: source.text}
        # Without a document: as one it cannot be shown, written out or run.
        return replace(found, problems=error.problems, sources=sources, document=None)
    return Report(error.problems, error.sources, source.name, registry=registry)


def _without_faults(source: Source, error: DocumentError) -> Iterator[str]:
    """The text, and then without ever more of the lines around the fault."""
    lines = source.text.splitlines(keepends=True)
    places = [problem.place for problem in error.problems if problem.place.file == source.name]
    yield source.text
    if not places or not lines:
        return
    at = min(places[-1].line, len(lines)) - 1
    for number in range(at, max(at - NEAR, -1), -1):  # what is never closed is told where the text ends
        yield _blank(lines, number, number + 1)
    for first in _heads(lines, at):
        yield _blank(lines, first, at + 1)
        yield _blank(lines, first, _end(lines, first))
        yield _blank(lines, first, len(lines))


def _heads(lines: list[str], at: int) -> Iterator[int]:
    """The line before, and those that the fault lies below, the nearest first."""
    indent = _indent(lines[at])
    for number in range(at - 1, -1, -1):
        if not lines[number].strip():
            continue
        own = _indent(lines[number])
        if own < indent or number == at - 1:
            indent = min(own, indent)
            yield number


def _end(lines: list[str], first: int) -> int:
    """Behind the lines that stand deeper than one of them."""
    indent = _indent(lines[first])
    for number in range(first + 1, len(lines)):
        if lines[number].strip() and _indent(lines[number]) <= indent:
            return number
    return len(lines)


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _blank(lines: list[str], first: int, end: int) -> str:
    """The text with some lines of spaces, as long as they were."""
    blank = [re.sub(r"[^\r\n]", " ", line) for line in lines[first:end]]
    return "".join([*lines[:first], *blank, *lines[end:]])
