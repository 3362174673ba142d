"""What is known of a piece that was checked by itself: its nodes, flat, ready to be put where it is used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from composer.graph.checked import Callee, Endpoint, UsedPiece, Wired
from composer.language import NodeShape
from composer.problems import YamlPath

__all__ = ["PieceBody", "PieceNode", "PieceUse"]


@dataclass(frozen=True)
class PieceNode:
    """A node inside. Sources that are inputs of the piece have their name and no port."""

    shape: NodeShape
    callee: Callee
    sources: Mapping[str, Wired]
    path: YamlPath
    crossed: tuple[Endpoint, ...]
    """The inputs of the pieces used inside that its values come through: use and port, the outer ones first."""


@dataclass(frozen=True)
class PieceUse:
    """A use of a piece: what its inputs are wired to, and where that is written."""

    name: str
    callee: UsedPiece
    sources: Mapping[str, tuple[Endpoint, ...]]
    """Several for an input that takes a list, none for one that is left out; those with a fault are not there."""
    path: YamlPath
    references: Mapping[str | None, YamlPath]

    def shown(self, port: str) -> Endpoint | None:
        """The port of a node, or of what is handed through, that an output shows."""
        name, inner = self.callee.body.outputs[port]
        return (f"{self.name}/{name}", inner) if inner else next(iter(self.sources.get(name, ())), None)


@dataclass(frozen=True)
class PieceBody:
    """A piece with one choice of arguments. Its nodes and uses are called by their paths inside of it."""

    name: str
    path: YamlPath
    nodes: Mapping[str, PieceNode]
    uses: Mapping[str, PieceUse]
    outputs: Mapping[str, Endpoint]
    """What each output shows: a port of a node, or an input of the piece (with no port) that is handed through."""
