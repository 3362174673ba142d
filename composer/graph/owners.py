"""Who answers for the ports of a node: the function that gave them, so that the config field behind one is found."""

from __future__ import annotations

from collections.abc import Mapping

from composer.graph.checked import Callee, Generate, InPlace, Read
from composer.graph.derivation import Owner, range_port
from composer.graph.vocabularies import entries_port
from composer.plugin.answers import as_signature
from composer.plugin.asking import ask
from composer.types import Dim, PortType, Signature

__all__ = ["bounds_as_ports", "owner_of"]


def owner_of(callee: Callee) -> Owner:
    """What a node calls, as the owner of its ports: outputs by name, inputs behind `>`, ranges and vocabularies."""
    module = callee.module
    if isinstance(callee, Generate):
        function = callee.decoding.generation.signature
    else:
        function = module.type.methods[callee.method].signature
    options = (callee.options,) if callee.options is not None else ()

    def ports(config: object) -> dict[str, PortType]:
        accept = as_signature(config)
        signature = ask(function, config, *options, what=module.type.title, accept=accept)
        found = {name: port.type for name, port in signature.outputs.items()}
        found |= {f">{name}": port.type for name, port in signature.inputs.items()}
        return found | bounds_as_ports(signature.ranges) | _known(signature)

    return Owner(
        _title(callee),
        module.config,
        ports,
        module.path,
        module.name,
        callee.method if callee.options is None else "",
    )


def bounds_as_ports(ranges: Mapping[str, tuple[int, int]]) -> dict[str, PortType]:
    """Ranges as ports of an `Owner`."""
    return {range_port(symbol): PortType("scalar", tuple(map(Dim, ends))) for symbol, ends in ranges.items()}


def _title(callee: Callee) -> str:
    """What messages call the owner of a config that a node reads."""
    if isinstance(callee, Read):
        return f"node {callee.module.name}"
    return callee.module.type.id if isinstance(callee, InPlace) else callee.module.name


def _known(signature: Signature) -> dict[str, PortType]:
    return {
        entries_port(port): PortType("labels", (Dim(entries),))
        for port, entries in signature.vocabulary.items()
        if isinstance(entries, int)
    }
