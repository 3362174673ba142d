"""What a picture shows of a task: boxes and the edges between them, before anything has a place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from composer.cli.views.table import callee, port_text
from composer.graph import CheckedTask, Endpoint

__all__ = ["Box", "Drawing", "Edge", "drawing_of"]


@dataclass(frozen=True)
class Box:
    """One input, call or output. `module` names the declared module whose weights it uses; `kind` gives the shape."""

    name: str
    title: str
    detail: str
    kind: str
    module: str | None = None
    training: bool = False


@dataclass(frozen=True)
class Edge:
    """A connection with its port type; `port` is the input port it feeds, where the target has several."""

    source: str
    target: str
    label: str
    port: str = ""


@dataclass(frozen=True)
class Drawing:
    """A task as boxes in running order and edges in the order of the file."""

    title: str
    summary: str
    boxes: tuple[Box, ...]
    edges: tuple[Edge, ...]


def drawing_of(task: CheckedTask) -> Drawing:
    """Inputs, nodes and outputs of a task; the parts of its objective are marked as training."""
    boxes = [
        Box(f"input {name}", name, item.modality.id, "input", training=item.training)
        for name, item in task.inputs.items()
    ]
    for name in task.order:
        node = task.nodes[name]
        module = None if node.verb == "uses" else node.module.name
        kind = "generate" if node.verb == "generate" else "call"
        boxes.append(Box(f"node {name}", name, callee(node), kind, module, node.training))
    boxes += [Box(f"output {name}", name, "output", "output") for name in task.outputs]
    if task.loss is not None:
        boxes.append(Box("loss", "loss", "training", "output", training=True))
    return Drawing(task.name, task.summary, tuple(boxes), tuple(_edges(task)))


def _edges(task: CheckedTask) -> Iterator[Edge]:
    def edge(endpoint: Endpoint, target: str, port: str = "") -> Edge:
        source = f"{'input' if endpoint[0] in task.inputs else 'node'} {endpoint[0]}"
        return Edge(source, target, port_text(task.types[endpoint]), port)

    for name in task.order:
        node = task.nodes[name]
        for port, wired in node.sources.items():
            shown = port if len(node.sources) > 1 else ""
            for endpoint in wired if isinstance(wired[0], tuple) else (wired,):
                yield edge(endpoint, f"node {name}", shown)  # type: ignore[arg-type]
    for name, endpoint in task.outputs.items():
        yield edge(endpoint, f"output {name}")
    if task.loss is not None:
        yield edge(task.loss, "loss")
