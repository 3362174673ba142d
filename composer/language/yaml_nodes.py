"""Text to YAML nodes with marks: libyaml's composer with the YAML 1.2 core schema, and limits against hostile files."""

from __future__ import annotations

import io

import yaml
from yaml.events import AliasEvent, ScalarEvent
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from composer.language.schema12 import MAP, SEQ, STR, resolve_scalar
from composer.language.source import Source
from composer.problems import DocumentError, Place, Problem

__all__ = ["MAX_DEPTH", "MAX_VALUES", "alias_place", "compose", "place_of"]

MAX_DEPTH = 64
MAX_VALUES = 2_000_000
"""Keys, values, maps and lists of one file; a document of 100,000 nodes has half as many."""

if yaml.__with_libyaml__:
    from yaml._yaml import CParser as _Parser
else:  # pragma: no cover - PyYAML wheels always carry libyaml; a source build without it still works, slowly

    class _Parser(  # type: ignore[no-redef]
        yaml.reader.Reader, yaml.scanner.Scanner, yaml.parser.Parser, yaml.composer.Composer
    ):
        def __init__(self, stream: str) -> None:
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

    def resolve(self, kind: type[Node], value: str | None, implicit: tuple[bool, bool]) -> str:
        if kind is ScalarNode:
            return resolve_scalar(value or "") if implicit[0] else STR
        return MAP if kind is MappingNode else SEQ

    def descend_resolver(self, current_node: object, current_index: object) -> None:
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
    """Compose one file; raises DocumentError (C002 syntax, C004 limits, C102 no mapping, as is `wanted`)."""
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
        from composer.language.unreadable import syntax_problem

        raise DocumentError([syntax_problem(source, error)]) from None
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
                mark = event.start_mark
                assert mark is not None
                length = len(event.anchor or "") + 1
                line, column = mark.line + 1, mark.column + 1
                return Place(
                    source.name, line, column, line, column + length, mark.index, mark.index + length
                )
    return None


def _refuse_unreadable(source: Source) -> None:
    """Refuse characters that no document may hold (all that prints may stand in one), and another version of YAML."""
    is_plain = source.text.replace("\n", "").isprintable()
    if is_plain and not (
        "%YAML" in source.text and source.text.lstrip("\ufeff \t\r\n").startswith(("%", "#"))
    ):
        return
    from composer.language.unreadable import character_problem, version_problem

    problem = version_problem(source) or (None if is_plain else character_problem(source))
    if problem is not None:
        raise DocumentError([problem])
