"""Readings: nodes with `modality`, which read what another node wrote as an input of that modality is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from composer.graph.checked import CheckedModule, Read
from composer.language import NodeShape
from composer.plugin import Method, Modality, ModuleType
from composer.plugin.answers import as_map, as_ports, as_ranges, as_vocabularies
from composer.plugin.asking import ask
from composer.problems import Problem, YamlPath
from composer.problems.suggest import listed
from composer.types import Port, PortType, Signature

if TYPE_CHECKING:
    from composer.graph.callees import Callees

__all__ = ["reading", "reads_of"]


@dataclass(frozen=True)
class _Reading(ModuleType):
    """A modality as what a node calls; its implementation is the modality's processor."""

    noun: ClassVar[str] = "modality"


def reading(callees: Callees, node: NodeShape, path: YamlPath) -> Read | None:
    """What a node with `modality` reads and gives, or None after reporting."""
    at = (*path, "modality")
    modality = callees.find(callees.registry.modalities, str(node.modality), at, "C205", "modality")
    if modality is None:
        return None
    if not modality.reads:
        callees.findings.add(_from_outside(callees, modality, node, path))
        return None
    if callees.findings.touches(path):
        return None
    title = modality.title
    config = callees.modality_config(node, modality, path)
    if config is None:
        return None
    if modality.vocabulary is not None:
        what = f"`vocabulary` of {title}"
        if callees.asked(modality.vocabulary, (config,), at, what, as_vocabularies, modality.id) is None:
            return None
    entry = _type_of(modality)
    function = entry.methods["forward"].signature
    signature = callees.asked(function, (config,), at, f"`ports` of {title}", _as_signature, modality.id)
    if signature is None:
        return None
    counted: Mapping[str, str] = {}
    if modality.follows is not None:
        what = f"`follows` of {modality.title}"
        found = callees.asked(modality.follows, (config,), at, what, as_map, modality.id)
        if found is None:
            return None
        counted = {str(port): str(name) for port, name in found.items()}
    module = CheckedModule(str(path[-1]), entry, config, path)
    return Read(module, "forward", None, signature, modality, callees.registry.kinds, counted)


def reads_of(modality: Modality, config: object) -> Mapping[str, Port | PortType | str]:
    """The input ports of a node that reads, with this config. Raises PluginError where there is no map of them."""
    if not callable(modality.reads):
        return modality.reads
    what = f"`reads` of {modality.title}"
    found: Mapping[str, Port | PortType | str] = ask(modality.reads, config, what=what, accept=as_map)
    return found


def _type_of(modality: Modality) -> ModuleType:
    """A modality as the type of a node that calls it."""

    def signature(config: object) -> Signature:
        ports = ask(modality.ports, config, what=f"`ports` of {modality.title}", accept=as_ports)
        ranges: Mapping[str, tuple[int, int]] = {}
        if modality.ranges is not None:
            ranges = ask(modality.ranges, config, what=f"`ranges` of {modality.title}", accept=as_ranges)
        return Signature(reads_of(modality, config), ports, ranges)

    return _Reading(
        modality.id,
        modality.config,
        {"forward": Method(signature)},
        modality.processor,
        modality.summary,
        stateless=True,
        plugin=modality.plugin,
    )


def _as_signature(answer: object) -> Signature:
    assert isinstance(answer, Signature)
    return answer


def _from_outside(callees: Callees, modality: Modality, node: NodeShape, path: YamlPath) -> Problem:
    """C260: a modality whose values come from outside alone."""
    readers = [each.id for each in callees.registry.modalities.values() if each.reads]
    message = f"a node cannot be read as `{modality.id}`: its values come from outside the task"
    name = path[-1]
    helps = [
        f"write `{name}: {{modality: {modality.id}, ...}}` under `inputs`, where values come from outside"
    ]
    if node.inputs:
        helps.append(f"modalities that read what a node wrote: {listed('', readers)}")
    place = callees.document.tree.place((*path, "modality"))
    return Problem("C260", "error", message, place, helps=tuple(helps))
