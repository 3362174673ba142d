"""The merged document as YAML, every value followed by the place that it comes from."""

from __future__ import annotations

from collections.abc import Iterator

from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from composer.language import NodeShape, Resolved
from composer.language.parameters import COMMAND_LINE
from composer.language.yaml_line import yaml_line
from composer.problems import Place
from composer.problems.render.cells import clean, width_of

__all__ = ["resolved_text"]

_INDENT = "  "
_WIDEST = 88


def resolved_text(document: Resolved, *, task: str | None = None) -> str:
    """Block YAML that can be read again: ancestors merged, parameters filled in, `# file:line` behind every value.

    A value that was written `$name` shows what it stands for, and where that was given; a parameter that `--set`
    overrides shows the default too. With `task`, the other tasks and the modules that only they call are left out.
    """
    rows = list(_Writer(document, task).document())
    size = min(max(width_of(text) for text, origin in rows if origin), _WIDEST)
    lines = [
        f"{text}{' ' * (size - width_of(text))}  # {origin}" if origin else text for text, origin in rows
    ]
    return "\n".join([*_heading(document), *lines])


def _heading(document: Resolved) -> list[str]:
    files = [name for name in document.sources if name != COMMAND_LINE]
    if len(files) < 2:
        return []
    return [f"# {clean(files[-1])}, extending {', '.join(map(clean, reversed(files[:-1])))}"]


class _Writer:
    """Rows of (YAML text, origin) for one document."""

    def __init__(self, resolved: Resolved, task: str | None) -> None:
        self.resolved = resolved
        self.task = task
        self.active: list[int] = []
        self.own: set[str] = set()
        """Parameters of the piece that is being written."""

    def document(self) -> Iterator[tuple[str, str]]:
        for key, value in self.resolved.tree.root.value:
            if key.value == "extends":
                continue  # it is merged in: naming it again would bring back what the child removed
            if key.value == "parameters" and isinstance(value, MappingNode):
                yield "parameters:", ""
                yield from self._parameters(value)
            elif key.value == "pieces" and isinstance(value, MappingNode):
                yield "pieces:", ""
                yield from self._pieces(value)
            else:
                shown = self._of_task(key.value, value) if isinstance(value, MappingNode) else value
                yield from self._entry(f"{self._key(key)}:", shown, 0, filled=False)

    def _of_task(self, section: str, node: MappingNode) -> MappingNode:
        if self.task is None:
            return node
        kept: set[object] = {self.task}
        if section == "modules" and self.task in self.resolved.shape.tasks:
            pieces = [self.resolved.shape.pieces[name] for name in self._used()]
            nodes = [*self._nodes(), *(node for piece in pieces for node in piece.nodes.values())]
            kept = {(n.call or n.generate or "").partition(".")[0] for n in nodes}
        elif section != "tasks":
            return node
        pairs = [pair for pair in node.value if pair[0].value in kept]
        return MappingNode(node.tag, pairs, node.start_mark, node.end_mark, flow_style=node.flow_style)

    def _pieces(self, node: MappingNode) -> Iterator[tuple[str, str]]:
        """The pieces that the task uses. What their own parameters are is up to each use."""
        shapes = self.resolved.shape.pieces
        kept = set(shapes) if self.task is None else self._used()
        for key, value in node.value:
            if key.value in kept or key.value not in shapes:
                self.own = set(shapes[key.value].parameters) if key.value in shapes else set()
                yield from self._entry(f"{_INDENT}{self._key(key)}:", value, 1, filled=False)
        self.own = set()

    def _used(self) -> set[str]:
        """The pieces that the task uses, and those that they use."""
        shapes, found = self.resolved.shape.pieces, set[str]()
        waiting = [node.piece for node in self._nodes()]
        while waiting:
            name = waiting.pop()
            if name is not None and name in shapes and name not in found:
                found.add(name)
                waiting += [node.piece for node in shapes[name].nodes.values()]
        return found

    def _nodes(self) -> list[NodeShape]:
        """The nodes that the task itself writes."""
        shape = self.resolved.shape.tasks.get(self.task or "")
        if shape is None:
            return []
        return [*shape.nodes.values(), *(shape.objective.nodes.values() if shape.objective else ())]

    def _parameters(self, node: MappingNode) -> Iterator[tuple[str, str]]:
        for key, value in node.value:
            place = self.resolved.parameter_places.get(key.value)
            head = f"{_INDENT}{self._key(key)}:"
            if isinstance(place, Place) and place.file == COMMAND_LINE:
                default = _scalar_text(value) if isinstance(value, ScalarNode) else "…"
                origin = f"--set (default {default} at {_place(value)})"
                yield f"{head} {yaml_line(self.resolved.parameters[key.value])}", origin
            else:
                yield from self._entry(head, value, 1, filled=False)

    def _entry(self, head: str, value: Node, depth: int, *, filled: bool) -> Iterator[tuple[str, str]]:
        """`filled`: whether `$name` stands for a parameter here, which it does below every `with`."""
        if isinstance(value, ScalarNode):
            yield f"{head} {self._value(value, filled)}", self._origin(value, filled)
        elif not value.value or id(value) in self.active:
            yield f"{head} {'{}' if isinstance(value, MappingNode) else '[]'}", _place(value)
        else:
            self.active.append(id(value))
            yield head, ""
            inner = _INDENT * (depth + 1)
            if isinstance(value, MappingNode):
                for key, item in value.value:
                    # a module, at depth 1, names where its weights come from
                    below = (
                        filled or key.value in ("with", "adapter") or (depth == 1 and key.value == "weights")
                    )
                    yield from self._entry(f"{inner}{self._key(key)}:", item, depth + 1, filled=below)
            elif isinstance(value, SequenceNode):
                for item in value.value:
                    yield from self._entry(f"{inner}-", item, depth + 1, filled=filled)
            self.active.pop()

    def _key(self, node: Node) -> str:
        return _scalar_text(node) if isinstance(node, ScalarNode) else yaml_line(str(node.value))

    def _value(self, node: ScalarNode, filled: bool) -> str:
        name = self._parameter(node, filled)
        if name is None:
            return _scalar_text(node)
        value = self.resolved.parameters[name]
        return yaml_line(f"${value}" if isinstance(value, str) and value.startswith("$") else value)

    def _parameter(self, node: ScalarNode, filled: bool) -> str | None:
        name = node.value[1:]
        is_known = name in self.resolved.parameters and name not in self.own
        return name if filled and node.value.startswith("$") and is_known else None

    def _origin(self, node: ScalarNode, filled: bool) -> str:
        name = self._parameter(node, filled)
        if name is None:
            return _place(node)
        given: Place = self.resolved.parameter_places[name]
        source = "--set" if given.file == COMMAND_LINE else f"{clean(given.file)}:{given.line}"
        return f"{_place(node)}, ${name} from {source}"


def _place(node: Node) -> str:
    return f"{clean(str(node.start_mark.name))}:{node.start_mark.line + 1}"


def _scalar_text(node: ScalarNode) -> str:
    """A scalar as it can be read again on one line: as written, where it was written plain."""
    if node.style in ("'", '"', "|", ">"):
        return yaml_line(node.value)
    return " ".join(node.value.split("\n")) or "null"
