"""Text to YAML nodes with marks: libyaml's composer with the YAML 1.2 core schema, and limits against hostile files."""

from __future__ import annotations

import io
import re
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from composer.language.schema12 import MAP, SEQ, STR, resolve_scalar
from composer.language.source import Source
from composer.problems import DocumentError, Note, Place, Problem
from composer.problems.lines import split_lines

__all__ = ["MAX_DEPTH", "compose", "place_of"]

MAX_DEPTH = 64
_FOREIGN_BREAK = re.compile("[\x85\u2028\u2029]")

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

    depth = 0

    def resolve(self, kind: type[Node], value: str | None, implicit: Any) -> str:
        if kind is ScalarNode:
            return resolve_scalar(value or "") if implicit[0] else STR
        return MAP if kind is MappingNode else SEQ

    def descend_resolver(self, current_node: Any, current_index: Any) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH + 1:
            raise _TooDeepError(current_node)

    def ascend_resolver(self) -> None:
        self.depth -= 1


class _TooDeepError(Exception):
    """Raised with the first node beyond the limit, to leave libyaml's recursion."""


class _NamedText(io.StringIO):
    """A text stream whose name libyaml writes into every mark, so that merged trees know their files."""

    def __init__(self, source: Source) -> None:
        super().__init__(source.text)
        self.name = source.name


def compose(source: Source) -> MappingNode:
    """Compose one document; raises DocumentError (C002 syntax, C004 limits, C102 when it is no mapping)."""
    _refuse_foreign_breaks(source)
    try:
        node = _Composer(_NamedText(source)).get_single_node()
    except _TooDeepError as error:
        mark = error.args[0].start_mark
        place = Place(source.name, mark.line + 1, mark.column + 1, mark.line + 1, mark.column + 2)
        message = f"nested deeper than the limit of {MAX_DEPTH} levels"
        raise DocumentError([Problem("C004", "error", message, place)]) from None
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
        message = f"a document is a map with the keys composer, name, modules and tasks; this holds {found}"
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


def _syntax_problem(source: Source, error: yaml.MarkedYAMLError) -> Problem:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    lines = split_lines(source.text)
    line = min(line, len(lines))
    detail = error.problem or str(error)
    notes = []
    if error.context_mark is not None and error.context and error.context_mark.line + 1 < line:
        begin = error.context_mark
        place = Place(source.name, begin.line + 1, begin.column + 1, begin.line + 1, begin.column + 2)
        notes.append(Note(place, error.context.replace("while parsing", "inside")))
    elif error.context:
        detail = f"{detail} ({error.context})"
    helps = []
    text_line = lines[line - 1]
    if "\t" in text_line[: len(text_line) - len(text_line.lstrip())]:
        helps.append("indent with spaces: YAML does not allow tabs")
    if "mapping values are not allowed" in detail:
        helps.append("quote a value that holds `: `, or check the indent of this line")
    if "duplicate anchor" in detail or "undefined alias" in detail:
        helps.append("an alias *name needs an anchor &name before it in the same file")
    place = Place(source.name, line, column, line, column + 1)
    return Problem(
        "C002", "error", f"this is not YAML: {detail}", place, notes=tuple(notes), helps=tuple(helps)
    )


def _refuse_foreign_breaks(source: Source) -> None:
    """Refuse what libyaml counts as a line break and YAML 1.2 and editors do not: later lines would be off by one."""
    match = _FOREIGN_BREAK.search(source.text)
    if match is None:
        return
    lines = split_lines(source.text[: match.start()])
    line, column = len(lines), len(lines[-1]) + 1
    message = (
        f"the character U+{ord(match[0]):04X} stands here, which only some programs read as a line break"
    )
    helps = ("replace it by a space, or by \\n inside double quotes",)
    place = Place(source.name, line, column, line, column + 1, match.start(), match.end())
    raise DocumentError([Problem("C002", "error", message, place, helps=helps)])
