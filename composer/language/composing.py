"""Text to YAML nodes with marks: libyaml's composer with the YAML 1.2 core schema, and limits against hostile files."""

from __future__ import annotations

import io
import re
from typing import Any

import yaml
from yaml.events import AliasEvent, ScalarEvent
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from composer.language.schema12 import MAP, SEQ, STR, resolve_scalar
from composer.language.source import Source
from composer.problems import DocumentError, Note, Place, Problem
from composer.problems.lines import split_lines

__all__ = ["MAX_DEPTH", "MAX_VALUES", "alias_place", "compose", "place_of"]

MAX_DEPTH = 64
MAX_VALUES = 2_000_000
"""Keys, values, maps and lists of one file; a document of 100,000 nodes has half as many."""
_FOREIGN_BREAK = re.compile("[\x85\u2028\u2029]")
_UNREADABLE = re.compile("[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What YAML 1.2.2 (section 5.1) does not take, and breaks that libyaml counts and editors do not."""
_GLUED = re.compile(r"\s*(?:- )?(?P<key>[A-Za-z_][\w-]*):(?P<value>[^\s:#/][^:#]*?)\s*$")
"""A line whose key and value are one word to YAML, and which the next line goes on."""
_BARE = re.compile(r"\s*(?:- )?(?P<key>[A-Za-z_][\w-]*) +(?P<sign>[{\[])")
"""A line whose key has no colon before its map."""

if yaml.__with_libyaml__:
    from yaml._yaml import CParser as _Parser
else:  # pragma: no cover - PyYAML wheels always carry libyaml; a source build without it still works, slowly

    class _Parser(  # type: ignore[no-redef]
        yaml.reader.Reader, yaml.scanner.Scanner, yaml.parser.Parser, yaml.composer.Composer
    ):
        def __init__(self, stream: Any) -> None:
            yaml.reader.Reader.__init__(self, stream)
            yaml.scanner.Scanner.__init__(self)
            yaml.parser.Parser.__init__(self)
            yaml.composer.Composer.__init__(self)


class _Composer(_Parser):
    """libyaml's parser and composer; only the resolver is ours (inheritance is PyYAML's own seam for it).

    PyYAML calls `descend_resolver` before it goes into a node and `ascend_resolver` after, for path resolvers, which
    are not used here. They count the depth instead: libyaml's composer recurses, and deep text overflows its stack.
    """

    depth = count = 0

    def resolve(self, kind: type[Node], value: str | None, implicit: Any) -> str:
        if kind is ScalarNode:
            return resolve_scalar(value or "") if implicit[0] else STR
        return MAP if kind is MappingNode else SEQ

    def descend_resolver(self, current_node: Any, current_index: Any) -> None:
        self.depth += 1
        self.count += 1
        if self.count > MAX_VALUES:
            raise _TooManyError(current_node)
        if self.depth > MAX_DEPTH + 1:
            raise _TooDeepError(current_node)

    def ascend_resolver(self) -> None:
        self.depth -= 1


class _TooDeepError(Exception):
    """Raised with the first node beyond the limit, to leave libyaml's recursion."""


class _TooManyError(Exception):
    """Raised with the map or list that holds the first value beyond the limit."""


class _NamedText(io.StringIO):
    """A text stream whose name libyaml writes into every mark, so that merged trees know their files."""

    def __init__(self, source: Source) -> None:
        super().__init__(source.text)
        self.name = source.name


DOCUMENT_KEYS = "a document is a map with the keys composer, name, modules and tasks"


def compose(source: Source, wanted: str = DOCUMENT_KEYS) -> MappingNode:
    """Compose one file; raises DocumentError (C002 syntax, C004 limits, C102 when it is no mapping, as is `wanted`)."""
    _refuse_unreadable(source)
    try:
        node = _Composer(_NamedText(source)).get_single_node()
    except _TooDeepError as error:
        mark = error.args[0].start_mark
        place = Place(source.name, mark.line + 1, mark.column + 1, mark.line + 1, mark.column + 2)
        message = f"nested deeper than the limit of {MAX_DEPTH} levels"
        raise DocumentError([Problem("C004", "error", message, place)]) from None
    except _TooManyError as error:
        mark = error.args[0].start_mark
        place = Place(source.name, mark.line + 1, mark.column + 1, mark.line + 1, mark.column + 2)
        message = f"more than the limit of {MAX_VALUES:,} values, the last of them in what begins here"
        helps = ("put a long table into a file of its own, and name that",)
        raise DocumentError([Problem("C004", "error", message, place, helps=helps)]) from None
    except yaml.MarkedYAMLError as error:
        raise DocumentError([_syntax_problem(source, error)]) from None
    except yaml.YAMLError as error:
        place = Place(source.name, 1, 1, 1, 1)
        message = f"this is not YAML: {str(error).splitlines()[0]}"
        raise DocumentError([Problem("C002", "error", message, place)]) from None
    if not isinstance(node, MappingNode):
        place = Place(source.name, 1, 1, 1, 2) if node is None else place_of(node)
        found = (
            "nothing but comments"
            if node is None
            else "a list"
            if isinstance(node, SequenceNode)
            else "one value"
        )
        message = f"{wanted}; this holds {found}"
        raise DocumentError([Problem("C102", "error", message, place)])
    return node


def place_of(node: Node) -> Place:
    """The span of a node. A block collection ends where its first line's last mark allows: its start line."""
    start, end = node.start_mark, node.end_mark
    name = start.name
    if end.line != start.line and not (isinstance(node, ScalarNode) or getattr(node, "flow_style", False)):
        return Place(
            name, start.line + 1, start.column + 1, start.line + 1, start.column + 2, start.index, end.index
        )
    return Place(name, start.line + 1, start.column + 1, end.line + 1, end.column + 1, start.index, end.index)


def alias_place(source: Source, number: int) -> Place | None:
    """Where the text holds its alias of this number, counted from 1 among the aliases of maps and lists."""
    parser = _Composer(_NamedText(source))
    scalars: set[str | None] = set()
    while parser.check_event():
        event = parser.get_event()
        if isinstance(event, ScalarEvent):
            scalars.add(event.anchor)
        elif isinstance(event, AliasEvent) and event.anchor not in scalars:
            number -= 1
            if number == 0:
                mark: Any = event.start_mark
                length = len(event.anchor or "") + 1
                line, column = mark.line + 1, mark.column + 1
                return Place(
                    source.name, line, column, line, column + length, mark.index, mark.index + length
                )
    return None


def _syntax_problem(source: Source, error: yaml.MarkedYAMLError) -> Problem:
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
    if "duplicate anchor" in detail or "undefined alias" in detail:
        hints.append("an alias *name needs an anchor &name before it in the same file")
    found = text_line[column - 1 : column]
    if error.context == "while parsing a quoted scalar":
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


def _character(source: Source, mark: Any) -> Place:
    """The one character at a mark."""
    return Place(source.name, mark.line + 1, mark.column + 1, mark.line + 1, mark.column + 2)


def _refuse_unreadable(source: Source) -> None:
    """Refuse what YAML does not take, and what libyaml counts as a line break and YAML 1.2 and editors do not.

    With the latter, later lines would be off by one.
    """
    match = _UNREADABLE.search(source.text)
    if match is None:
        return
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
    raise DocumentError([Problem("C002", "error", message, place, helps=helps)])
