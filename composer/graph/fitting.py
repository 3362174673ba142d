"""Edges between ports: what makes one fit, such as kinds and roles that go together, and what does not fit of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from composer.graph.checked import Endpoint, text_of
from composer.graph.solver import Refused
from composer.problems import YamlPath
from composer.types import Dim, Kind, PortType, Signature, Symbol

__all__ = [
    "PIECE",
    "TASK",
    "Edge",
    "Roles",
    "Unfit",
    "kind_fits",
    "lasting_symbols",
    "local_type",
    "renamed_dim",
    "shown",
    "shown_dim",
    "swapped_pair",
]

TASK = "<task>"
"""Owner of the symbols that all inputs of a task share; no input or node can have this name."""


PIECE = "<piece>"
"""Owner of the symbols that the inputs of a piece share while it is checked by itself."""


class Edge(NamedTuple):
    """An edge, with both types as far as they are known. Paths lead into the document."""

    source: Endpoint
    node: str
    port: str
    given: PortType
    wanted: PortType
    reference: YamlPath
    node_path: YamlPath

    def __str__(self) -> str:
        return f"{text_of(self.source)} → {self.node}.{self.port}"

    @property
    def label(self) -> str:
        return f"{shown(self.given)} does not fit {shown(self.wanted)}"


@dataclass
class Roles:
    """The roles of one call. A port without a role says nothing: it takes any, and gives none."""

    known: dict[str, str] = field(default_factory=dict)
    """Open role of the signature (`K`) to the role that came in."""

    def taken(self, wanted: str, given: str) -> str | None:
        """Take a role in; the role that should have come where it is another."""
        if not wanted or not given:
            return None
        if wanted[0].isupper():
            wanted = self.known.setdefault(wanted, given)
        return None if wanted == given else wanted

    def given(self, declared: str) -> str:
        """The role of an output. `K+M` is the role that both have, and none where they differ."""
        if not declared or not declared[0].isupper():
            return declared
        found = {self.known.get(name, "") for name in declared.split("+")}
        return found.pop() if len(found) == 1 else ""


@dataclass(frozen=True)
class Unfit:
    """An edge that does not fit: in its kind, in its role, or in the dimensions at `indices`."""

    edge: Edge
    indices: tuple[int, ...] = ()
    is_role: bool = False
    refused: Refused | None = None
    """The last value that lies outside the range of what it should be."""


def swapped_pair(unfit: Sequence[Unfit]) -> tuple[Unfit, Unfit] | None:
    """Two edges of one node of which each has the role that the other should have."""
    for position, one in enumerate(unfit):
        for other in unfit[position + 1 :]:
            if not (one.is_role and other.is_role):
                continue
            roles = (one.edge.given.role, one.edge.wanted.role)
            if roles == (other.edge.wanted.role, other.edge.given.role):
                return one, other
    return None


def kind_fits(kinds: Mapping[str, Kind], given: str, wanted: str) -> bool:
    """Whether one kind is another, or a sub-kind of it."""
    seen: str | None = given
    while seen is not None:
        if seen == wanted:
            return True
        kind = kinds.get(seen)
        seen = kind.parent if kind is not None else None
    return False


def shown_dim(dim: Dim) -> str:
    """A dimension for people: the owner of a symbol (`N@node`) is dropped."""
    return str(dim.bare)


def shown(port: PortType) -> str:
    """A port type for people: a role that stands for any says nothing."""
    name = port.kind if port.has_open_role else port.name
    return f"{name}[{', '.join(map(shown_dim, port.dims))}]" if port.dims else name


def local_type(port: PortType, owner: str, fixed: Mapping[str, Symbol]) -> PortType:
    """The port type with its symbols made the owner's own (`N@frames`) or the module's (`D@@projection`)."""
    if not any(d.terms for d in port.dims):
        return port
    return port.with_dims(tuple([renamed_dim(d, owner, fixed) for d in port.dims]))


def lasting_symbols(signature: Signature, module: str) -> dict[str, Symbol]:
    """What a module's weights fix, by the name in its signature."""
    return {name: Symbol(name, module, lasting=True) for name in signature.fixed}


def renamed_dim(dim: Dim, owner: str, fixed: Mapping[str, Symbol]) -> Dim:
    if not dim.terms:
        return dim
    return dim.renamed(lambda symbol: fixed.get(symbol) or Symbol(symbol.name, owner))
