"""What an artifact takes from installed plugins when it runs: written down when it is made, checked when it is loaded.

An artifact holds programs, weights and vocabularies, and no code of a plugin: how a picture is decoded, what a record
looks like, how a search goes on is what the plugins register here. Imports no torch.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from importlib.metadata import entry_points

from composer.plugin import Registry
from composer.plugin.registry import noun_of
from composer.types import parse_port_type
from composer_compile.artifact.manifest import (
    GenerateEntry,
    HostCallEntry,
    Input,
    Manifest,
    Provider,
    ReadEntry,
    Task,
)

__all__ = ["lacking", "missing_text", "needs_lines", "needs_of", "provider_of", "requirements_of"]

Need = tuple[str, str]
"""Section of the registry and id."""


def needs_of(tasks: Iterable[Task], backend: str) -> Iterator[Need]:
    """Everything that running these tasks looks up among what plugins register."""
    yield "backends", backend
    for task in tasks:
        for entry in task.inputs.values():
            yield from _input_needs(entry)
        for part in task.order:
            if isinstance(part, GenerateEntry):
                yield "policies", part.policy
                yield from _input_needs(part.text)
            elif isinstance(part, HostCallEntry):
                yield "module_types", part.uses
            elif isinstance(part, ReadEntry):
                yield from _input_needs(part.read)
        for output in task.outputs.values():
            yield "kinds", output.kind


def _input_needs(entry: Input) -> Iterator[Need]:
    yield "modalities", entry.modality
    for port in entry.ports.values():
        yield "kinds", parse_port_type(port).kind


def requirements_of(
    tasks: Iterable[Task], backend: str, registry: Registry
) -> dict[str, dict[str, Provider]]:
    """Who offers what the tasks need, for the manifest."""
    found: dict[str, dict[str, Provider]] = {}
    for section, identity in sorted(set(needs_of(tasks, backend))):
        found.setdefault(section, {})[identity] = provider_of(registry, section, identity)
    return found


def provider_of(registry: Registry, section: str, identity: str) -> Provider:
    """The plugin that offers an entry, and its package."""
    origin = getattr(registry, section).origin(identity)
    return Provider(plugin=origin.plugin, package=origin.distribution)


def lacking(manifest: Manifest, tasks: Iterable[Task], registry: Registry) -> str | None:
    """What these tasks need and no loaded plugin offers, in words after `needs`; None where nothing is missing."""
    missing: dict[Provider, list[str]] = {}
    for section, identity in sorted(set(needs_of(tasks, manifest.backend.id))):
        if identity not in getattr(registry, section):
            unknown = Provider(plugin="", package="")
            provider = manifest.requires.get(section, {}).get(identity, unknown)
            missing.setdefault(provider, []).append(f"the {noun_of(section)} `{identity}`")
    texts = [missing_text(_listed(what), each, registry) for each, what in missing.items()]
    return "; and ".join(texts) or None


def needs_lines(manifest: Manifest) -> Iterator[str]:
    """What must be installed, a line for each package: `speech-plugin 1.2.0 (kind waves; modality speech)`."""
    found: dict[str, dict[str, list[str]]] = {}
    for section, entries in manifest.requires.items():
        for identity, provider in entries.items():
            words = found.setdefault(_shown(provider), {})
            words.setdefault(noun_of(section), []).append(identity)
    for operation, entry in manifest.operations.items():
        for provider in entry.module_types.values():
            found.setdefault(_shown(provider), {}).setdefault("operation", []).append(operation)
    for package, words in found.items():
        listed = "; ".join(f"{word} {', '.join(dict.fromkeys(names))}" for word, names in words.items())
        yield f"{package} ({listed})"


def _shown(provider: Provider) -> str:
    return provider.package or f"the plugin {provider.plugin}"


def missing_text(what: str, provider: Provider, registry: Registry) -> str:
    """`what of the plugin ..., which is not installed: pip install ...`: what is missing, and what to do."""
    if not provider.plugin:
        return f"{what}, which no installed plugin offers: install the plugin"
    whose = f"{what} of the plugin `{provider.plugin}`"
    if not provider.package:
        return f"{whose}, which belonged to no package: load the artifact with a registry that holds it"
    name, _, version = provider.package.rpartition(" ")
    broken = next((each for each in registry.broken if each.origin.plugin == provider.plugin), None)
    if broken is not None:
        return (
            f"{whose} ({broken.origin.distribution}), which is installed and cannot be loaded: {broken.error}"
        )
    if provider.plugin in registry.plugins:
        here = registry.plugins[provider.plugin].distribution
        return f"{whose}, and the installed {here} does not offer it: install {name}=={version}"
    if provider.plugin in {point.name for point in entry_points(group="composer")}:
        left_out = "COMPOSER_PLUGINS leaves out" if "COMPOSER_PLUGINS" in os.environ else "was left out here"
        return f"{whose} ({provider.package}), which {left_out}"
    return f'{whose} ({provider.package}), which is not installed: pip install "{name}=={version}"'


def _listed(items: list[str]) -> str:
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"
