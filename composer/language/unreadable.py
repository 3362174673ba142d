"""Texts that are not YAML: where reading ended, and what the author probably left out or put in there."""

from __future__ import annotations

import re

import yaml
from yaml.error import Mark

from composer.language.source import Source
from composer.problems import Note, Place, Problem
from composer.problems.lines import split_lines

__all__ = ["character_problem", "syntax_problem", "version_problem"]

_FOREIGN_BREAK = re.compile("[\x85\u2028\u2029]")
_UNREADABLE = re.compile("[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What YAML 1.2.2 (section 5.1) does not take, and breaks that libyaml counts and editors do not."""
_GLUED = re.compile(r"\s*(?:- )?(?P<key>[A-Za-z_][\w-]*):(?P<value>[^\s:#/][^:#]*?)\s*$")
"""A line whose key and value are one word to YAML, and which the next line goes on."""
_BARE = re.compile(r"\s*(?:- )?(?P<key>[A-Za-z_][\w-]*) +(?P<sign>[{\[])")
"""A line whose key has no colon before its map."""


_OTHER_YAML = re.compile(r"\A(?:[ \t]*(?:#[^\n]*)?\r?\n)*%YAML[ \t]+(?!1\.2\b)(?P<version>[\d.]+)")
"""A directive before the document that names another version of YAML."""


def version_problem(source: Source) -> Problem | None:
    """C002: a file that says to be of another version of YAML, in which `no` and `010` mean something else."""
    match = _OTHER_YAML.match(source.text)
    if match is None:
        return None
    lines = split_lines(source.text[: match.start("version")])
    line, column = len(lines), len(lines[-1]) + 1
    place = Place(source.name, line, column, line, column + len(match["version"]), *match.span("version"))
    message = f"this file says to be YAML {match['version']}, and a document is read as YAML 1.2"
    helps = ("remove the line; `no` and `on` are text in YAML 1.2, and 010 is ten",)
    return Problem("C002", "error", message, place, helps=helps)


def character_problem(source: Source) -> Problem | None:
    """C002: what YAML does not take, and what libyaml counts as a line break and YAML 1.2 and editors do not.

    With the latter, later lines would be off by one.
    """
    match = _UNREADABLE.search(source.text)
    if match is None:
        return None
    lines = split_lines(source.text[: match.start()])
    line, column = len(lines), len(lines[-1]) + 1
    message = f"the character U+{ord(match[0]):04X} stands here, which no document may hold"
    helps = ("remove it; inside double quotes it can be written as an escape",)
    if _FOREIGN_BREAK.match(match[0]):
        message = (
            f"the character U+{ord(match[0]):04X} stands here, which only some programs read as a line break"
        )
        helps = ("replace it by a space, or by \\n inside double quotes",)
    place = Place(source.name, line, column, line, column + 1, match.start(), match.end())
    return Problem("C002", "error", message, place, helps=helps)


def syntax_problem(source: Source, error: yaml.MarkedYAMLError) -> Problem:
    """C002: where the text stops being YAML, and what probably lacks there."""
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    lines = split_lines(source.text)
    line = min(line, len(lines))
    detail = error.problem or str(error)
    begin = error.context_mark
    if begin is not None and error.context == "while scanning a quoted scalar" and "end of stream" in detail:
        message = "this is not YAML: the quote that begins here is never closed"
        return Problem(
            "C002", "error", message, _character(source, begin), helps=("end it with the same quote",)
        )
    glued = _GLUED.match(lines[line - 2]) if line > 1 and "mapping values are not allowed" in detail else None
    if glued is not None:
        return _no_space(source, line - 1, glued)
    bare = _BARE.match(lines[line - 1]) if "mapping values are not allowed" in detail else None
    if bare is not None and bare.end() < column:
        return _no_colon(source, line, bare)
    if detail == "but found another document":
        message = "this is not YAML: a second document begins here, and a file holds one"
        helps = ("put it into a file of its own",)
        return Problem(
            "C002", "error", message, Place(source.name, line, column, line, column + 1), helps=helps
        )
    if "duplicate anchor" in (error.context or "") and begin is not None and mark is not None:
        message = "this anchor has a name that one before it has, and an alias could mean either"
        notes_ = (Note(_character(source, begin), "the one before it"),)
        return Problem(
            "C002", "error", message, _character(source, mark), notes=notes_, helps=("rename one of the two",)
        )
    notes = []
    if begin is not None and error.context and begin.line + 1 < line:
        notes.append(Note(_character(source, begin), error.context.replace("while parsing", "inside")))
    elif error.context:
        detail = f"{detail} ({error.context})"
    hints = _syntax_hints(error, detail, lines[line - 1], column) or [_general_hint(detail)]
    place = Place(source.name, line, column, line, column + 1)
    return Problem(
        "C002", "error", f"this is not YAML: {detail}", place, notes=tuple(notes), helps=tuple(hints)
    )


def _no_colon(source: Source, line: int, bare: re.Match[str]) -> Problem:
    """A key that a map follows without a colon."""
    key, column = bare["key"], bare.start("key") + 1
    place = Place(source.name, line, column, line, column + len(key))
    helps = (f"write a colon after it: `{key}: {bare['sign']}`",)
    return Problem("C002", "error", f"this is not YAML: no colon follows `{key}`", place, helps=helps)


def _syntax_hints(error: yaml.MarkedYAMLError, detail: str, text_line: str, column: int) -> list[str]:
    """What the line where YAML ends probably lacks."""
    hints = []
    if "\t" in text_line[: len(text_line) - len(text_line.lstrip())]:
        hints.append("indent with spaces: YAML does not allow tabs")
    if "mapping values are not allowed" in detail:
        hints.append("quote a value that holds `: `, or check the indent of this line")
    if "undefined alias" in detail:
        hints.append("an alias *name needs an anchor &name before it in the same file")
    found = text_line[column - 1 : column]
    if "invalid Unicode character escape" in detail:
        hints.append(
            "write the letter itself, or its whole number, `\\U0001F600`: JSON writes two halves, as `\\uD83D\\uDE00`"
        )
    elif error.context == "while parsing a quoted scalar":
        hints.append("in double quotes a backslash begins an escape: use single quotes, or `/` in a path")
    if "cannot start any token" in detail:
        hints.append(f"put a value that begins with `{found}` in quotes")
    if found and found in "}]" and error.context != "while parsing a flow mapping":
        hints.append(
            f"this `{found}` closes nothing: remove it, or look for one before it that closes too early"
        )
    elif found == "{" and text_line[: column - 1].endswith("$"):
        hints.append("a parameter is written `$name`, without braces")
    elif "did not find expected ','" in detail:
        hints.append("a comma or a closing bracket is missing before this place")
    return hints


def _no_space(source: Source, line: int, glued: re.Match[str]) -> Problem:
    """A key and its value in one word, which the next line seems to go on."""
    key, column = glued["key"], glued.start("key") + 1
    place = Place(source.name, line, column, line, column + len(key) + 1)
    helps = (f"write a space after the colon: `{key}: {glued['value']}`",)
    return Problem("C002", "error", f"this is not YAML: no space follows `{key}:`", place, helps=helps)


def _general_hint(detail: str) -> str:
    if "did not find expected '-' indicator" in detail:
        return "items (`- x`) and keys (`name: x`) cannot stand in one block: indent one of them"
    return "look at the indent, the quotes and the brackets of this line and of the one before it"


def _character(source: Source, mark: Mark) -> Place:
    """The one character at a mark."""
    return Place(source.name, mark.line + 1, mark.column + 1, mark.line + 1, mark.column + 2)
