"""What else would take the inputs of a node: another method of its module, another type in its place."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from composer.graph.asked import default_signature, signature_of
from composer.graph.checked import Call, Callee, InPlace
from composer.graph.fitting import Edge, shown
from composer.plugin import Registry
from composer.types import PortType, Signature

__all__ = ["alternatives"]

MOST = 3
AllFit = Callable[[Iterable[tuple[PortType, PortType]]], bool]


def alternatives(callee: Callee, edges: Sequence[Edge], registry: Registry, all_fit: AllFit) -> list[str]:
    """Hints that name callees which take what the node is given, best first."""
    if isinstance(callee, Call):
        return list(_methods(callee, edges, all_fit))[:MOST]
    if isinstance(callee, InPlace):
        return list(_types(callee, edges, registry, all_fit))[:MOST]
    return []


def _methods(callee: Callee, edges: Sequence[Edge], all_fit: AllFit) -> Iterator[str]:
    """Methods of the same module. Of two that take the same, the one with a name of its own is named."""
    module = callee.module
    found: dict[tuple[str, ...], str] = {}
    for name, method in module.type.methods.items():
        if name == callee.method or method.options is not None:
            continue
        signature = signature_of(method.signature, module.config)
        if signature is None:
            continue
        pairs = _paired(signature, edges)
        if pairs is None or not all_fit((edge.given, signature.inputs[port].type) for edge, port in pairs):
            continue
        call = module.name if name == "forward" else f"{module.name}.{name}"
        takes = ", ".join(f"`{port}`: {shown(signature.inputs[port].type)}" for _, port in pairs)
        takes = takes if len(pairs) > 1 or pairs[0][1] != edges[0].port else takes.partition(": ")[2]
        gives = " and ".join(shown(port.type) for port in signature.outputs.values())
        key = (takes, gives)
        if key not in found or name != "forward":
            found[key] = f"`call: {call}` takes {takes} and gives {gives}"
    yield from found.values()


def _types(callee: Callee, edges: Sequence[Edge], registry: Registry, all_fit: AllFit) -> Iterator[str]:
    """Types without weights that need no config, take what is given and give what the node gives."""
    gives = [port.type.kind for port in callee.signature.outputs.values()]
    for entry in registry.module_types.values():
        signature = None if entry is callee.module.type else default_signature(entry)
        if signature is None:
            continue
        pairs = _paired(signature, edges)
        if pairs is None or gives != [port.type.kind for port in signature.outputs.values()]:
            continue
        if all_fit((edge.given, signature.inputs[port].type) for edge, port in pairs):
            takes = ", ".join(f"`{port}`: {shown(signature.inputs[port].type)}" for _, port in pairs)
            yield f"`uses: {entry.id}` takes {takes}"


def _paired(signature: Signature, edges: Sequence[Edge]) -> list[tuple[Edge, str]] | None:
    """The edges with the inputs that they would feed: by name, or else in order; None where the numbers differ."""
    required = [name for name, port in signature.inputs.items() if not port.optional]
    names = [edge.port for edge in edges]
    if all(name in signature.inputs for name in names) and set(required) <= set(names):
        return list(zip(edges, names, strict=True))
    return list(zip(edges, required, strict=True)) if len(required) == len(edges) else None
