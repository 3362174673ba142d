"""How views call things: callees, references, port types and numbers."""

from __future__ import annotations

from collections.abc import Mapping

from composer.graph import CheckedNode, CheckedTask, Endpoint, endpoints_of
from composer.types import Dim, PortType, Symbol

__all__ = ["Labels", "callee_text", "source_texts", "value_text"]


def callee_text(node: CheckedNode) -> str:
    """`module.method`, `generate module`, or the type's id for a node in place."""
    if node.is_in_place:
        return node.module.type.id
    if node.generates:
        return f"generate {node.module.name}"
    return node.module.name if node.method == "forward" else f"{node.module.name}.{node.method}"


def source_texts(node: CheckedNode) -> list[str]:
    """What feeds each input port: `pixels: video.pixels`; the port is left out where there is only one."""
    texts = []
    for port, source in node.sources.items():
        shown = ", ".join(map(".".join, endpoints_of(source)))
        shown = f"[{shown}]" if node.signature.inputs[port].many else shown
        texts.append(shown if len(node.signature.inputs) == 1 else f"{port}: {shown}")
    return texts


def value_text(value: object) -> str:
    """A config value on one line, as YAML would write it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "null"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(value_text, value)) + "]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {value_text(item)}" for key, item in value.items()) + "}"
    return " ".join(str(value).split())


class Labels:
    """Port types of one task for people: `B@video` reads `B`; a second `B`, of another input, reads `answers.B`."""

    def __init__(self, task: CheckedTask) -> None:
        self.task = task
        self._first: dict[str, Symbol] = {}
        for port in (*task.types.values(), *task.wanted.values()):
            for dim in port.dims:
                for symbol in dim.symbols:
                    self._first.setdefault(symbol.name, symbol)

    def port(self, port: PortType) -> str:
        """`states[B, N, 1024]`."""
        return f"{port.name}[{', '.join(map(self.dim, port.dims))}]" if port.dims else port.name

    def output(self, endpoint: Endpoint) -> str:
        """The type of an output port of a node or an input."""
        return self.port(self.task.types[endpoint])

    def dim(self, dim: Dim) -> str:
        return str(dim.renamed(self._symbol))

    def _symbol(self, symbol: Symbol) -> str:
        is_first = self._first.get(symbol.name, symbol) == symbol
        return symbol.name if is_first else f"{symbol.owner}.{symbol.name}"
