"""Hints for texts that go where tokens are taken, and the other way round: what reads the one as the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from composer.graph.fitting import Edge
from composer.language import Resolved, TaskShape
from composer.plugin import Config, Modality, Registry
from composer.plugin.answers import as_ports
from composer.plugin.asking import ask, unchanged
from composer.problems import ComposerError
from composer.types import Port, PortType

__all__ = ["reading_hints"]


def reading_hints(edge: Edge, source: str, document: Resolved, registry: Registry) -> Iterator[str]:
    """How what an edge brings becomes what its node takes; `source` is what the edge brings, as the document writes it.

    A node of a modality that reads the one and gives the other; or, behind an input, another modality for it.
    """
    for modality in registry.modalities.values():
        if callable(modality.reads):
            continue  # what it reads depends on its config, which only the author knows
        reads = [Port.of(value).type.kind for value in modality.reads.values()]
        if reads != [edge.given.kind]:
            continue
        options = _options(modality, document)
        if options is not None and edge.wanted.kind in _kinds(modality, next(iter(modality.examples), {})):
            node = f"{edge.port}: {{modality: {modality.id}, inputs: {source}{options}}}"
            yield f"read it as `{modality.id}`: add the node `{node}`, and write `{edge.port}` here"
    task = document.shape.tasks.get(str(edge.reference[1])) if edge.reference[0] == "tasks" else None
    if task is not None and edge.source[0] in task.inputs:
        yield from _other_inputs(edge, registry)


def _other_inputs(edge: Edge, registry: Registry) -> Iterator[str]:
    """Modalities that need no options and give what the node takes."""
    for modality in registry.modalities.values():
        if list(_kinds(modality, {})) == [edge.wanted.kind]:
            name = edge.source[0]
            yield f"make the input `{name}: {{modality: {modality.id}}}`, which gives {edge.wanted.kind}"


def _options(modality: Modality, document: Resolved) -> str | None:
    """Options with which the document reads this modality elsewhere, or else an example, as a document writes them."""
    for task, shape in document.shape.tasks.items():
        for name in _read_as(shape, modality.id):
            path = ("tasks", task, *name, "with")
            options = shape.inputs[name[1]].with_ if name[0] == "inputs" else shape.nodes[name[1]].with_
            return _map(
                {key: document.tree.text((*path, key)) or str(value) for key, value in options.items()}
            )
    needed = [name for name, field in modality.config.model_fields.items() if field.is_required()]
    example = next(iter(modality.examples), {})
    return _map({name: str(example[name]) for name in needed}) if set(needed) <= set(example) else None


def _map(texts: dict[str, str]) -> str:
    return f", with: {{{', '.join(f'{key}: {text}' for key, text in texts.items())}}}" if texts else ""


def _read_as(task: TaskShape, modality: str) -> Iterator[tuple[str, str]]:
    yield from (("nodes", name) for name, node in task.nodes.items() if node.modality == modality)
    yield from (("inputs", name) for name, item in task.inputs.items() if item.modality == modality)


def _kinds(modality: Modality, options: Mapping[str, object]) -> list[str]:
    """The kinds that a modality gives with these options; none where it refuses them."""
    try:
        config: Config = ask(lambda: modality.config(**options), what="a config", accept=unchanged)
        ports: dict[str, PortType] = ask(modality.ports, config, what="ports", accept=as_ports)
    except ComposerError:
        return []
    return [port.kind for port in ports.values()]
