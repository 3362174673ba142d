"""The inputs that a task declares: their modality, its config and ports, and what it says of both."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from composer.graph.checked import CheckedInput
from composer.language import InputShape
from composer.plugin.answers import as_names, as_ports, as_ranges, as_vocabularies
from composer.problems import Problem, YamlPath

if TYPE_CHECKING:
    from composer.graph.tasks import TaskChecker

__all__ = ["declared_input"]

T = TypeVar("T")


def declared_input(
    task: TaskChecker, name: str, item: InputShape, path: YamlPath, *, training: bool
) -> CheckedInput | None:
    """An input with its ports; None after reporting, or silently where it has a problem already."""
    callees, edges = task.callees, task.edges
    registry = callees.registry
    modality = callees.find(registry.modalities, item.modality, (*path, "modality"), "C205", "modality")
    if modality is None or task.findings.touches(path):
        return None
    config = callees.modality_config(item, modality, path)
    if config is None:
        return None

    def asked(function: Callable[..., object], what: str, accept: Callable[[object], T]) -> T | None:
        about, owner = f"`{what}` of {modality.title}", f"modality {modality.id}"
        return callees.asked(function, (config,), (*path, "modality"), about, accept, owner)

    ports = asked(modality.ports, "ports", as_ports)
    if ports is None or not all(edges.known_kind(port, path) for port in ports.values()):
        return None
    host = ports if modality.host is None else asked(modality.host, "host", as_ports)
    if host is None or not all(edges.known_kind(port, path) for port in host.values()):
        return None
    several = None
    if item.optional or item.repeated is not None:
        from composer.graph.repetition import repetition

        found = repetition(item, path, (ports, host), modality, callees.document, registry.kinds)
        if isinstance(found, Problem):
            task.findings.add(found)
            return None
        several, ports, host = found, found.ports(ports, registry.kinds), found.ports(host, registry.kinds)
    if modality.ranges is not None and asked(modality.ranges, "ranges", as_ranges) is None:
        return None
    if modality.vocabulary is not None and asked(modality.vocabulary, "vocabulary", as_vocabularies) is None:
        return None
    classes = None if modality.classes is None else asked(modality.classes, "classes", as_names)
    if modality.classes is not None and classes is None:
        return None
    default: object = None
    if item.default is not None or modality.default is not None:
        from composer.graph.input_defaults import default_of

        default = default_of(callees, item, modality, config, path)
        if item.default is not None and default is None:
            return None
    return CheckedInput(
        name, modality, config, ports, host, path, training, several, default, item.for_ or "", classes
    )
