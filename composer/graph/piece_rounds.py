"""Pieces that use each other: in which order they can be checked, and how many nodes each stands for."""

from __future__ import annotations

from collections.abc import Mapping

from composer.graph.wires import Wire, Wires
from composer.language import PieceShape, Tree
from composer.problems import Findings, Place, Problem

__all__ = ["MOST_NODES", "too_many", "without_rounds"]

MOST_NODES = 20_000
"""Nodes that the pieces of one document stand for: each by itself, and then over all uses."""
DEEPEST = 40
"""Pieces within each other."""


def without_rounds(pieces: Mapping[str, PieceShape], tree: Tree, findings: Findings) -> dict[str, int]:
    """The pieces with their numbers of nodes, each after those that it uses. Circles are told (C228) and left out."""
    wires = Wires(
        pieces,
        [
            Wire(str(node.piece), name, ("pieces", name, "nodes", key, "piece"), str(node.piece))
            for name, piece in pieces.items()
            for key, node in piece.nodes.items()
            if node.piece in pieces
        ],
    )
    rank = {name: index for index, name in enumerate(pieces)}
    order = wires.order(rank.__getitem__)
    if order is None:
        from composer.graph.circles import circles

        users = Wires(pieces, [Wire(wire.target, wire.source, wire.path, wire.text) for wire in wires])
        for circle in circles(users, rank, tree, of_pieces=True):
            if not any(findings.is_silent_within(("pieces", name)) for name in circle.names):
                findings.add(circle.problem)
            findings.silence(*(("pieces", name) for name in circle.names))
        sound = {name: piece for name, piece in pieces.items() if not findings.is_silent(("pieces", name))}
        return without_rounds(sound, tree, findings)
    return _counted(order, pieces, tree, findings)


def _counted(
    order: list[str], pieces: Mapping[str, PieceShape], tree: Tree, findings: Findings
) -> dict[str, int]:
    sizes: dict[str, int] = {}
    depths: dict[str, int] = {}
    repeated = 0
    """Nodes that all pieces so far take from others."""
    for name in order:
        used = [(key, node.piece) for key, node in pieces[name].nodes.items() if node.piece in sizes]
        inside = sum(sizes[str(piece)] for _, piece in used)
        sizes[name] = len(pieces[name].nodes) - len(used) + inside
        depths[name] = 1 + max((depths[str(piece)] for _, piece in used), default=0)
        if used and (repeated + inside > MOST_NODES or depths[name] > DEEPEST):
            place = tree.place(("pieces", name, "nodes", used[-1][0], "piece"))
            findings.add(too_many(str(used[-1][1]), place), "C230")
            findings.silence(("pieces", name))
            del sizes[name]
        else:
            repeated += inside
    return sizes


def too_many(name: str, place: Place) -> Problem:
    """C230: more than any document means."""
    message = f"with piece `{name}` here, pieces stand for more than {MOST_NODES:,} nodes, or lie too deep"
    helps = (f"each use repeats what is inside: use fewer, and at most {DEEPEST} within each other",)
    return Problem("C230", "error", message, place, helps=helps)
