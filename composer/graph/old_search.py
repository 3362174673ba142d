"""Search options of the language as it was (`penalty` and `beams` beside `max_tokens`): one problem, and the fix.

A search has options of its own now: `{beams: 5, penalty: mplug2}` is `{search: {uses: mplug2.beam, with: {beams: 5}}}`.
Each file of a chain of documents is rewritten for what it says itself, since maps merge by key.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from yaml.nodes import ScalarNode

from composer.graph.old_entries import OldEntry, entry_of, rewritten
from composer.graph.searches import OLD_OPTIONS, policy_called
from composer.language import Resolved
from composer.plugin import GenerateOptions, Registry, SearchPolicy
from composer.problems import Edit, Note, Problem, YamlPath
from composer.problems.suggest import suggest

__all__ = ["renewed"]

PLAIN = "none"
"""What stood for the search without a length penalty, and was meant where there was no `penalty`."""
GREEDY = "core.greedy"


def renewed(
    data: Mapping[str, object],
    path: YamlPath,
    model: type[GenerateOptions],
    document: Resolved,
    registry: Registry,
) -> tuple[dict[str, object], list[Problem]]:
    """The options of a `generate` node in today's words, with a C226 for each file that has old ones.

    `data` are those of the node at `path`, with parameters filled in.
    """
    old = [name for name in OLD_OPTIONS if name in data and name not in model.model_fields]
    if not old:
        return dict(data), []
    renewal = _Renewal(data, path, model, document, registry)
    return renewal.data(), list(renewal.problems(old))


@dataclass(frozen=True)
class _Renewal:
    before: Mapping[str, object]
    path: YamlPath
    model: type[GenerateOptions]
    document: Resolved
    registry: Registry

    def data(self) -> dict[str, object]:
        """What the node means, so that the rest of it is checked in the same run."""
        kept = {name: value for name, value in self.before.items() if name not in OLD_OPTIONS}
        search = kept.get("search")
        own = dict(search) if isinstance(search, dict) else {"uses": search} if search else {}
        policy = self._policy()
        if "uses" not in own or "penalty" in self.before:
            own["uses"] = policy.id
        if _takes_beams(policy):
            given = own.get("with")
            options = dict(given) if isinstance(given, dict) else {}
            if "beams" in self.before or "penalty" in self.before:
                options["beams"] = self.before.get("beams", options.get("beams", 1))
            own["with"] = options
        return {**kept, "search": own}

    def problems(self, old: list[str]) -> Iterator[Problem]:
        where = {name: (*self.path, "with", name) for name in (*old, "search")}
        files = dict.fromkeys(self._file(where[name]) for name in old)
        for file in files:
            names = [name for name in old if self._file(where[name]) == file]
            yield self._problem(file, names, len(files) > 1 or self._search_elsewhere(file))

    def _problem(self, file: str, names: list[str], merged: bool) -> Problem:
        place = self.document.tree.place((*self.path, "with", names[0]), key=True)
        noun = "options" if len(names) > 1 else "an option"
        shown = " and ".join(f"`{name}`" for name in names)
        message = f"{shown}: {noun} of the search, which has a key of its own now"
        text, edits = self._rewriting(file, names, merged)
        helps = [f"write `{text}`"]
        if "penalty" in names and policy_called(self.registry, self.before["penalty"]) is None:
            known = ", ".join(sorted(self.registry.policies))
            helps.append(f"no search policy is called {self.before['penalty']!r}; registered: {known}")
        return Problem("C226", "error", message, place, "", tuple(self._notes(names)), tuple(helps), edits)

    def _notes(self, names: list[str]) -> Iterator[Note]:
        for name in names[1:]:
            yield Note(self.document.tree.place((*self.path, "with", name), key=True), "and this")

    def _rewriting(self, file: str, names: list[str], merged: bool) -> tuple[str, tuple[Edit, ...]]:
        """The `search` that stands for the old options of one file, and the edits that put it there."""
        source = self.document.sources.get(file, "")
        entries = {name: entry for name in names if (entry := self._entry(name, source)) is not None}
        search_key, search, found = self.document.tree.find((*self.path, "with", "search"))
        beside = found and search_key is not None and search_key.start_mark.name == file
        if beside:
            own = self._entry("search", source) if isinstance(search, ScalarNode) else None
            if own is not None:
                entries["search"] = own
        text = self._text(names, entries, merged)
        if (
            len(entries) < len(names) + beside
            or any("\n" in entry.raw for name, entry in entries.items() if name != "penalty")
            or not source
        ):
            return text, ()
        return text, rewritten(file, source, list(entries.values()), text)

    def _text(self, names: list[str], entries: Mapping[str, OldEntry], merged: bool) -> str:
        policy = self._policy()
        uses: str | None = None
        if "penalty" in names:
            uses = self._uses(entries["penalty"].raw if "penalty" in entries else "")
        elif "search" in entries:
            uses = entries["search"].raw
        elif not merged and not self.before.get("search"):
            uses = policy.id
        beams: str | None = None
        if _takes_beams(policy) and "beams" in names:
            beams = entries["beams"].raw if "beams" in entries else str(self.before["beams"])
        elif _takes_beams(policy) and "penalty" in names and "beams" not in self.before:
            beams = "1"
        if uses is not None and policy.formerly == PLAIN and beams in (None, "1") and uses == policy.id:
            uses, beams = (GREEDY if not merged else uses), None
        options = "" if beams is None else f"with: {{beams: {beams}}}"
        if uses is not None and not options:
            return f"search: {{uses: {uses}}}" if merged else f"search: {uses}"
        parts = [part for part in ("" if uses is None else f"uses: {uses}", options) if part]
        return f"search: {{{', '.join(parts)}}}"

    def _uses(self, raw: str) -> str:
        """What names the policy: an id of today, or a parameter or alias as it is, whose value is still understood."""
        if re.match(r"[$&*\"']?\$?[\w-]", raw) and raw[:1] in "$&*":
            return raw
        return self._policy().id

    def _policy(self) -> SearchPolicy:
        """The policy that the old options mean."""
        if "penalty" in self.before:
            value = self.before["penalty"]
            found = policy_called(self.registry, value)
            if found is not None:
                return found
            names = [*self.registry.policies, *(p.formerly for p in self.registry.policies.values())]
            near = suggest(value, filter(None, names), None).word if isinstance(value, str) else None
            found = policy_called(self.registry, near)
            if found is not None:
                return found
            if isinstance(value, str) and "." in value:  # of a plugin that is not here
                return SearchPolicy(value, "", "")
        search = self.before.get("search")
        own = policy_called(self.registry, search.get("uses") if isinstance(search, dict) else search)
        if own is not None and "penalty" not in self.before:
            return own
        default = policy_called(self.registry, self.model.model_construct().search.uses)
        plain = policy_called(self.registry, PLAIN)
        if default is not None and (default.id != GREEDY or plain is None):
            return default
        return plain or SearchPolicy(GREEDY, "", "")

    def _entry(self, name: str, source: str) -> OldEntry | None:
        key, value, found = self.document.tree.find((*self.path, "with", name))
        return entry_of(key, value, source) if found and key is not None and value is not None else None

    def _file(self, where: YamlPath) -> str:
        return self.document.tree.place(where, key=True).file

    def _search_elsewhere(self, file: str) -> bool:
        key, _, found = self.document.tree.find((*self.path, "with", "search"))
        return found and key is not None and key.start_mark.name != file


def _takes_beams(policy: SearchPolicy) -> bool:
    return "beams" in policy.config.model_fields
