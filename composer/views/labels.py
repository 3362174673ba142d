"""How views call things: callees, references, port types and numbers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType

from composer.graph import CheckedModule, CheckedNode, CheckedTask, Endpoint, endpoints_of
from composer.graph.checked import text_of
from composer.graph.piece_bodies import PieceUse
from composer.types import Dim, PortType, Signature, Symbol

__all__ = [
    "Labels",
    "callee_text",
    "names_when_closed",
    "source_texts",
    "source_texts_of",
    "training_text",
    "value_text",
]


def callee_text(node: CheckedNode) -> str:
    """`module.method`, `module+adapter`, `generate module`, or the type's id for a node in place."""
    if node.is_in_place:
        return node.module.type.id
    if node.generates:
        return f"generate {node.part}"
    return node.part if node.method == "forward" else f"{node.part}.{node.method}"


def training_text(module: CheckedModule) -> str:
    """What a module is the average of, what is frozen of it, and its adapters."""
    frozen = "frozen" if module.freeze is True else ""
    if isinstance(module.freeze, tuple) and module.freeze:
        frozen = f"frozen: {', '.join(module.freeze)}"
    adapters = f"adapters: {', '.join(module.adapters)}" if module.adapters else ""
    average = ""
    if module.average is not None:
        average = f"average of {module.average.of}, momentum {module.average.momentum:g}"
    return "; ".join(filter(None, (average, frozen, adapters)))


Names = Mapping[Endpoint, str]
"""What ports are called where the pieces that they are inside of are closed."""


def source_texts(node: CheckedNode, names: Names = MappingProxyType({})) -> list[str]:
    """What feeds each input port: `pixels: video.pixels`; the port is left out where there is only one."""
    return _fed(node.signature, {port: endpoints_of(wired) for port, wired in node.sources.items()}, names)


def source_texts_of(use: PieceUse, names: Names = MappingProxyType({})) -> list[str]:
    """What feeds each input of a piece; the port is left out where there is only one."""
    return _fed(use.callee.signature, use.sources, names)


def _fed(signature: Signature, sources: Mapping[str, tuple[Endpoint, ...]], names: Names) -> list[str]:
    texts = []
    for port, ends in sources.items():
        if ends:
            shown = ", ".join(names.get(end) or text_of(end) for end in ends)
            shown = f"[{shown}]" if signature.inputs[port].many else shown
            texts.append(shown if len(signature.inputs) == 1 else f"{port}: {shown}")
    return texts


def names_when_closed(task: CheckedTask) -> dict[Endpoint, str]:
    """What is inside of the uses of pieces that a task writes itself, by what the task calls it."""
    return {
        end: f"{name}.{port}"
        for name, use in task.uses.items()
        for port in use.callee.body.outputs
        if "/" not in name and (end := use.shown(port)) is not None and "/" in end[0]
    }


def value_text(value: object) -> str:
    """A config value on one line, as YAML would write it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "null"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_inside, value)) + "]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_inside(item)}" for key, item in value.items()) + "}"
    return _plain(value) if not isinstance(value, str) else _quoted(value)


def _inside(value: object) -> str:
    """A value in a list or a map, where a comma or a bracket would be read as part of that."""
    text = value_text(value)
    return (
        json.dumps(value, ensure_ascii=False)
        if isinstance(value, str) and set(text) & set(",[]{}:#")
        else text
    )


def _plain(value: object) -> str:
    return " ".join(str(value).split())


def _quoted(text: str) -> str:
    """A text as it is, in quotes where nobody could see where it begins and ends, or that it is empty."""
    return text if text and text == _plain(text) else json.dumps(text, ensure_ascii=False)


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
