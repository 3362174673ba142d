"""Wiring that is missing or does not go together: what the author may write in its place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from composer.graph.asked import signature_of
from composer.graph.checked import Call, Callee, CheckedInput
from composer.graph.references import Reference
from composer.language import NodeShape
from composer.types import PortType, Signature

__all__ = ["offers", "one_or_many", "other_methods", "takers"]

MOST = 6


def other_methods(callee: Callee) -> Iterator[tuple[str, Signature]]:
    """The other methods of the module that a node calls, where they can be had without options."""
    for name, method in callee.module.type.methods.items() if isinstance(callee, Call) else ():
        if name == callee.method or method.options is not None:
            continue
        signature = signature_of(method.signature, callee.module.config)
        if signature is not None:
            yield name, signature


def takers(callee: Callee, port: str) -> list[str]:
    """Calls of other methods of the module that have an input of this name."""
    module = callee.module.name
    names = (name for name, signature in other_methods(callee) if port in signature.inputs)
    return [module if name == "forward" else f"{module}.{name}" for name in names][:MOST]


def one_or_many(node: NodeShape, reference: Reference) -> tuple[str, ...]:
    """What to write where an input has a list and takes one reference, or the other way round."""
    items = node.inputs[str(reference.port)] if isinstance(node.inputs, dict) else reference.text
    if isinstance(items, str):
        return (f"write `{reference.port}: [{items}]`",)
    if len(items) == 1:
        return (f"write `{reference.port}: {items[0]}`",)
    return (f"name one of {', '.join(items[:MOST])}; `core.concat` joins two states",)


def offers(
    kind: str,
    port: str,
    node: str,
    inputs: Mapping[str, CheckedInput],
    nodes: Iterable[str],
    callees: Mapping[str, Callee],
) -> tuple[str, ...]:
    """Ports that a missing input may read: those of the task's inputs and of the nodes that stand before its node."""
    names = list(nodes)
    before = names[: names.index(node)]
    ports: dict[str, Mapping[str, PortType]] = {name: item.ports for name, item in inputs.items()}
    for name in before:
        if name in callees:
            ports[name] = {p: d.type for p, d in callees[name].signature.outputs.items()}
    fitting = [
        f"{name}.{p}" for name, found in ports.items() for p, type_ in found.items() if type_.kind == kind
    ]
    if not fitting:
        return (f"write `{port}: node.port`; nothing before this node gives {kind}",)
    others = ", ".join(fitting[-MOST - 1 : -1])
    return (f"write `{port}: {fitting[-1]}`" + (f", or another of {others}" if others else ""),)
