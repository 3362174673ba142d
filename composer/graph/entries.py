"""Entries of the registry, found by the id that a file names, with one problem where there is none."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from composer.language import Tree
from composer.plugin import Registry, library_help
from composer.plugin.discovery import installed_plugins
from composer.plugin.libraries import as_id
from composer.plugin.registry import Conflict, Entry, Section
from composer.problems import Findings, Place, Problem, YamlPath
from composer.problems.suggest import Suggestion, suggest

__all__ = ["EntryFinder"]

T = TypeVar("T", bound=Entry)


@dataclass
class EntryFinder:
    """Looks entries up for one file; each fault is reported where the id is written."""

    registry: Registry
    tree: Tree
    findings: Findings

    def find(self, section: Section[T], key: str, path: YamlPath, code: str, what: str) -> T | None:
        """A registry entry by id, or None after reporting `code`, C301 or C302."""
        for conflict in self.registry.conflicts:
            if conflict.section == section.name and conflict.id == key:
                self._conflict(conflict, path, what)
                return None
        if key in section:
            return section[key]
        place = self.tree.place(path)
        prefix = key.split(".", maxsplit=1)[0]
        for broken in self.registry.broken:
            if broken.may_offer(key):
                message = f"{what} `{key}` is not available: the plugin {broken.origin} failed to load"
                causes = (
                    str(broken),
                    f"`composer plugins show {broken.origin.plugin}` prints the traceback",
                )
                problem = Problem("C302", "error", message, place, helps=causes)
                self.findings.add(problem, ("C302", broken.origin, str(broken)))  # once per plugin
                return None
        dotted = as_id(key)
        foreign = library_help(key, section) if dotted not in section else None
        meant = Suggestion() if foreign else _meant(key, section, place)
        helps = [foreign] if foreign else list(meant.helps)
        if prefix in self._left_out:
            helps.append(
                f"the installed plugin `{prefix}` has it, but COMPOSER_PLUGINS leaves that plugin out"
            )
        elif not helps:
            near = sorted(k for k in section if k.startswith(f"{prefix}.")) or sorted(section)
            helps.append(f"registered: {', '.join(near[:12])}; `composer plugins list` shows all")
        if key.startswith("$"):
            helps = ["parameters are filled in under `with` alone"]
        self.findings.add(
            Problem(code, "error", f"there is no {what} `{key}`", place, helps=tuple(helps), fix=meant.fix)
        )
        return None

    @cached_property
    def _left_out(self) -> set[str]:
        """Plugins that are installed, and not loaded."""
        return {p.origin.plugin for p in installed_plugins()} - set(self.registry.plugins)

    def _conflict(self, conflict: Conflict, path: YamlPath, what: str) -> None:
        message = f"two plugins claim the {what} `{conflict.id}`: {conflict.first} and {conflict.second}"
        helps = ("uninstall one of them, or name the plugins to load in COMPOSER_PLUGINS",)
        self.findings.add(Problem("C301", "error", message, self.tree.place(path), helps=helps))


def _meant(key: str, section: Section[T], place: Place) -> Suggestion:
    """The entry that was probably meant: one that is spelt like it, or else of the same name from another plugin."""
    meant = suggest(key, section, place)
    dotted = as_id(key)
    if dotted in section:
        return Suggestion(dotted, (f"did you mean `{dotted}`?",), meant.fix)
    name = key.rpartition(".")[2]
    namesakes = [known for known in section if known != key and known.rpartition(".")[2] == name]
    if meant.fix or not namesakes:
        return meant
    shown = " or ".join(f"`{known}`" for known in namesakes[:3])
    return Suggestion(namesakes[0], (f"did you mean {shown}?",))
