"""Tasks as graphs without names: what a node is, and what stands around it, so that renamed ones are found."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from composer.graph import CheckedTask, Endpoint, endpoints_of

__all__ = ["TaskGraph", "graph_of"]

ROUNDS = 3


@dataclass(frozen=True)
class TaskGraph:
    """The inputs and nodes of a task. `kinds` says what each is; `rings` what it is with what stands around it."""

    task: CheckedTask
    kinds: dict[str, str]
    takes: dict[str, list[tuple[str, str, str]]]
    """Node to (own port, node that feeds it, port of that one)."""
    feeds: dict[str, list[tuple[str, str, str]]] = field(default_factory=dict)
    """Node to (own port, node that it feeds, port of that one); outputs are called by their kind of place alone."""
    rings: tuple[dict[str, int], ...] = ()
    """For each distance: node to a number that equal surroundings have alike."""

    def around(self, distance: int) -> Counter[int]:
        return Counter(self.rings[distance].values())


def graph_of(task: CheckedTask) -> TaskGraph:
    """The graph of a task, those nodes too that only training has."""
    kinds = {name: f"input {item.modality.id}" for name, item in task.inputs.items()}
    for name, node in task.nodes.items():
        kinds[name] = f"{node.callee.key} {node.module.type.id}.{node.method}"
    takes = {
        name: [
            (port, *end)
            for port, wired in task.nodes[name].sources.items()
            for end in endpoints_of(wired)
            if end[0] in kinds
        ]
        if name in task.nodes
        else []
        for name in kinds
    }
    feeds: dict[str, list[tuple[str, str, str]]] = {name: [] for name in kinds}
    for name, sources in takes.items():
        for port, source, source_port in sources:
            feeds[source].append((source_port, name, port))
    shown: Counter[Endpoint] = Counter(end for end in task.outputs.values())
    rings = [{name: hash((kind, *sorted(_shown(shown, name)))) for name, kind in kinds.items()}]
    for _ in range(ROUNDS):
        last = rings[-1]
        rings.append(
            {
                name: hash(
                    (
                        last[name],
                        tuple(sorted((port, last[other], end) for port, other, end in takes[name])),
                        tuple(sorted((port, last[other], end) for port, other, end in feeds[name])),
                    )
                )
                for name in kinds
            }
        )
    return TaskGraph(task, kinds, takes, feeds, tuple(rings))


def _shown(shown: Counter[Endpoint], name: str) -> list[tuple[str, int]]:
    """The ports of a node that outputs show, and how many do."""
    return [(port, count) for (node, port), count in shown.items() if node == name]
