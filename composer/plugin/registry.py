"""The registry: what the loaded plugins offer, each entry with the plugin that offers it. A value, never a global."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Generic, TypeVar, Union

from composer.plugin.declarations import (
    Backend,
    Dataset,
    Document,
    Layout,
    Metric,
    Modality,
    ModuleType,
    RowFormat,
    SearchPolicy,
)
from composer.plugin.holding import hold_declaration
from composer.plugin.package_source import sources_of
from composer.types import Kind

__all__ = ["BrokenPlugin", "Conflict", "Origin", "Register", "Registry", "Section", "noun_of"]

Entry = Union[Kind, Modality, ModuleType, Layout, Document, Dataset, RowFormat, Metric, SearchPolicy, Backend]
T = TypeVar("T", bound=Entry)

SECTIONS: Mapping[type, str] = MappingProxyType(
    {
        Kind: "kinds",
        Modality: "modalities",
        ModuleType: "module_types",
        Layout: "layouts",
        Document: "documents",
        Dataset: "datasets",
        RowFormat: "formats",
        Metric: "metrics",
        SearchPolicy: "policies",
        Backend: "backends",
    }
)
"""Class of an entry → the section of the registry that holds it. A new kind has a line here and a field there."""

_NOUNS = {section: getattr(entry, "noun", "kind") for entry, section in SECTIONS.items()}


def noun_of(section: str) -> str:
    """What people call an entry of a section; the section's own name where this version knows no such section."""
    return _NOUNS.get(section, section)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an entry comes from: the plugin's entry-point name and its distribution with version."""

    plugin: str
    distribution: str = ""

    def __str__(self) -> str:
        return f"{self.plugin} ({self.distribution})" if self.distribution else self.plugin


@dataclass(frozen=True, slots=True)
class BrokenPlugin:
    """A plugin that failed to load, kept so that only documents that need it are disturbed."""

    origin: Origin
    error: str
    """What went wrong, in one line."""
    traceback: str
    where: str = ""
    """The line of the plugin's code that failed (`plugin.py:12`)."""
    package: str = ""
    """The package that its entry point names."""
    offered: frozenset[str] = frozenset()
    """Ids that it had registered before it failed."""

    def __str__(self) -> str:
        return f"{self.error} ({self.where})" if self.where else self.error

    def may_offer(self, id: str) -> bool:
        """Whether there is a sign that an id is this plugin's: its name before the dot, or the id in its source."""
        if self.origin.plugin == id.partition(".")[0] or id in self.offered:
            return True
        quoted = (f'"{id}"', f"'{id}'")
        return any(text in source for source in sources_of(self.package) for text in quoted)


@dataclass(frozen=True, slots=True)
class Conflict:
    """Two plugins that claim one id."""

    section: str
    id: str
    first: Origin
    second: Origin


class Section(Mapping[str, T], Generic[T]):
    """One kind of entry by id. Reads like a dict; `origin(id)` says who offers an entry."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._entries: dict[str, T] = {}
        self._origins: dict[str, Origin] = {}

    @property
    def noun(self) -> str:
        """What people call one of its entries."""
        return noun_of(self.name)

    def __getitem__(self, key: str) -> T:
        return self._entries[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def origin(self, key: str) -> Origin:
        return self._origins[key]

    def _put(self, entry: T, origin: Origin) -> None:
        self._entries[entry.id] = entry
        self._origins[entry.id] = origin


@dataclass(frozen=True)
class Registry:
    """Everything that the loaded plugins offer."""

    kinds: Section[Kind] = field(default_factory=lambda: Section("kinds"))
    modalities: Section[Modality] = field(default_factory=lambda: Section("modalities"))
    module_types: Section[ModuleType] = field(default_factory=lambda: Section("module_types"))
    layouts: Section[Layout] = field(default_factory=lambda: Section("layouts"))
    documents: Section[Document] = field(default_factory=lambda: Section("documents"))
    datasets: Section[Dataset] = field(default_factory=lambda: Section("datasets"))
    formats: Section[RowFormat] = field(default_factory=lambda: Section("formats"))
    metrics: Section[Metric] = field(default_factory=lambda: Section("metrics"))
    policies: Section[SearchPolicy] = field(default_factory=lambda: Section("policies"))
    backends: Section[Backend] = field(default_factory=lambda: Section("backends"))
    plugins: dict[str, Origin] = field(default_factory=dict)
    broken: list[BrokenPlugin] = field(default_factory=list)
    conflicts: list[Conflict] = field(default_factory=list)

    def sections(self) -> tuple[Section[Any], ...]:
        return tuple(getattr(self, name) for name in SECTIONS.values())


class Register:
    """What a plugin's `composer_register` receives: call it with each declaration (`register(ModuleType(...))`)."""

    def __init__(self, registry: Registry, origin: Origin) -> None:
        self._registry = registry
        self._origin = origin
        self._offered: list[Entry] = []

    def __call__(self, *entries: Entry) -> None:
        """Offer entries. Raises TypeError for a value that is not a declaration, or one whose fields are not what they
        should be, and ValueError for an id that this plugin has offered already.
        """
        for entry in entries:
            if type(entry) not in SECTIONS:
                known = ", ".join(sorted(t.__name__ for t in SECTIONS))
                raise TypeError(f"{entry!r:.60} is not a declaration; a plugin registers one of {known}")
            hold_declaration(entry)
            if any(type(other) is type(entry) and other.id == entry.id for other in self._offered):
                raise ValueError(f"{getattr(entry, 'noun', 'kind')} {entry.id!r} is registered twice")
            self._offered.append(entry)

    @property
    def ids(self) -> frozenset[str]:
        """The ids that were offered so far."""
        return frozenset(entry.id for entry in self._offered)

    def commit(self) -> None:
        """Put what was offered into the registry: all of it, once the plugin's hook has come to its end.

        An id that another plugin holds stays with the first, and the conflict is recorded.
        """
        for offered in self._offered:
            entry = offered if isinstance(offered, Kind) else replace(offered, plugin=str(self._origin))
            name = SECTIONS[type(entry)]
            section: Section[Any] = getattr(self._registry, name)
            if entry.id in section:
                conflict = Conflict(name, entry.id, section.origin(entry.id), self._origin)
                self._registry.conflicts.append(conflict)
            else:
                section._put(entry, self._origin)
        self._offered.clear()
