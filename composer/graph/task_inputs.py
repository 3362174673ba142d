"""The inputs of a task: what their modality makes of them, with everything that a plugin answers held to its type."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.graph.checked import CheckedInput
from composer.language import InputShape
from composer.plugin import Config, Modality
from composer.plugin.answers import as_ports, as_ranges, as_vocabularies
from composer.problems import Problem, YamlPath
from composer.types import PortType

if TYPE_CHECKING:
    from composer.graph.tasks import TaskChecker

__all__ = ["checked_input"]


def checked_input(
    task: TaskChecker, name: str, item: InputShape, path: YamlPath, *, training: bool
) -> CheckedInput | None:
    """An input with its ports; None after reporting, or silently where it has a problem already."""
    callees, edges = task.callees, task.edges
    modality = callees.find(
        callees.registry.modalities, item.modality, (*path, "modality"), "C205", "modality"
    )
    if modality is None or task.findings.touches(path):
        return None
    owner, title = f"modality {modality.id}", modality.title
    config = callees.modality_config(item, modality, path)
    if config is None:
        return None
    at = (*path, "modality")
    ports = callees.asked(modality.ports, (config,), at, f"`ports` of {title}", as_ports, owner)
    if ports is None or not all(edges.known_kind(port, path) for port in ports.values()):
        return None
    host: dict[str, PortType] | None = ports
    if modality.host is not None:
        host = callees.asked(modality.host, (config,), at, f"`host` of {title}", as_ports, owner)
    if host is None or not all(edges.known_kind(port, path) for port in host.values()):
        return None
    several = None
    if item.optional or item.repeated is not None:
        from composer.graph.repetition import repetition

        kinds = callees.registry.kinds
        found = repetition(item, path, (ports, host), modality, callees.document, kinds)
        if isinstance(found, Problem):
            task.findings.add(found)
            return None
        several, ports, host = found, found.ports(ports, kinds), found.ports(host, kinds)
    asked = ((modality.ranges, "ranges", as_ranges), (modality.vocabulary, "vocabulary", as_vocabularies))
    for function, what, accept in asked:
        about = f"`{what}` of {title}"
        if function is not None and callees.asked(function, (config,), at, about, accept, owner) is None:
            return None
    default = _default(task, item, modality, config, path)
    if item.default is not None and default is None:
        return None
    return CheckedInput(
        name, modality, config, ports, host, path, training, several, default, item.for_ or ""
    )


def _default(
    task: TaskChecker, item: InputShape, modality: Modality, config: Config, path: YamlPath
) -> object:
    """What stands for an input that a sample comes without; None for nothing, or after reporting."""
    if item.default is None and modality.default is None:
        return None
    from composer.graph.input_defaults import default_of

    return default_of(task.callees, item, modality, config, path)
