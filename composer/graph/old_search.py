"""Search options of the language as it was (`penalty` and `beams` beside `max_tokens`): one problem, and the fix.

A search has options of its own now: `{beams: 5, penalty: mplug2}` is `{search: {uses: mplug2.beam, with: {beams: 5}}}`.
Each file of a chain is put into today's words by itself, and what it says then does not depend on which of the others
are rewritten already: a document means the same in whatever order its files are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from yaml.nodes import MappingNode, Node, ScalarNode

from composer.graph.old_entries import Pair, entries_of, flow_text, made, made_map, replacing
from composer.graph.searches import OLD_OPTIONS, policy_called
from composer.language import Resolved, Tree, place_of
from composer.language.schema12 import NULL, STR
from composer.language.tree import merge
from composer.plugin import GenerateOptions, Registry, SearchPolicy
from composer.problems import Note, Problem, YamlPath
from composer.problems.suggest import Suggestion, suggest

__all__ = ["Renewed", "renewed"]

PLAIN = "none"
"""What stood for the search without a length penalty, and was meant where there was no `penalty`."""
UNCHOSEN = GenerateOptions().search.uses
"""The search of a node that names none."""


@dataclass(frozen=True)
class Renewed:
    """The options of a `generate` node in today's words."""

    data: dict[str, object]
    tree: Tree
    """The document in these words. Every value has the place where it was written."""
    problems: tuple[Problem, ...] = ()
    is_unknown: bool = False
    """Whether a `penalty` names a policy that is not there, which the problems tell."""


def renewed(
    data: dict[str, object],
    path: YamlPath,
    model: type[GenerateOptions],
    document: Resolved,
    registry: Registry,
) -> Renewed:
    """What the options `data` of the node at `path` are today, with a C226 for each file that has old ones."""
    old = tuple(name for name in OLD_OPTIONS if name not in model.model_fields)
    renewal = _Renewal(path, model, document, registry, old)
    for layer in document.layers:
        renewal.take(layer)
    around, search = document.tree.node(path), renewal.search
    if not renewal.problems or around is None:
        return Renewed(data, document.tree)
    where = (*path, "with")
    kept = {name: value for name, value in data.items() if name not in (*old, "search")}
    pairs = {name: pair for name, pair in entries_of(document.tree.node(where)).items() if name in kept}
    if search is not None:
        kept["search"] = document.value(search[1])
        pairs["search"] = search
    tree = document.tree.with_map(where, made_map(pairs, around))
    uses = tree.node((*where, "search", "uses"))
    return Renewed(kept, tree, tuple(renewal.problems), any(uses is node for node in renewal.unknown))


@dataclass
class _Renewal:
    path: YamlPath
    model: type[GenerateOptions]
    document: Resolved
    registry: Registry
    old: tuple[str, ...]
    search: Pair | None = None
    """The `search` of the files that were taken by now, merged as documents are."""
    unknown: list[Node] = field(default_factory=list)
    """What names policies that are not there."""
    problems: list[Problem] = field(default_factory=list)

    def take(self, layer: Tree) -> None:
        """Go on with the next file of the chain."""
        _, options, found = layer.find((*self.path, "with"))
        if not isinstance(options, MappingNode):  # it removes all that it extends
            self.search = None
        elif found:
            written = entries_of(options)
            given = {name: written[name] for name in self.old if name in written}
            search = written.get("search")
            if given:
                said = self._today(given, search)
                self.problems.append(self._problem(given, search, said))
                search = said
            if search is not None:
                self.search = _over(self.search, search)

    def _today(self, given: Mapping[str, Pair], search: Pair | None) -> Pair:
        """What one file says in today's words. A `search` that stands beside the old options has the last word."""
        key = next(iter(given.values()))[0]
        is_removed = search is not None and search[1].tag == NULL
        own, before = _said(search), {} if is_removed else _said(self.search)
        uses = own.get("uses") or self._uses(given, before.get("uses"))
        said = {"uses": uses, **own}
        if uses is before.get("uses"):
            above = said.pop("uses")[1]
            # An id by itself, with which no map goes on.
            if self.search is not None and self.search[1] is above:
                said["uses"] = key, made(above.value, key)
        beams = self._beams(given, own, before, self._policy(uses[1]))
        if beams is not None:
            said["with"] = key, made_map({**entries_of(_value(own, "with")), "beams": beams}, key)
        return key, made_map(said, key)

    def _uses(self, given: Mapping[str, Pair], inherited: Pair | None) -> Pair:
        """What names the policy where no `search` of the same file does."""
        if "penalty" in given:
            return given["penalty"][0], self._meant(*given["penalty"])
        if inherited is not None and self.document.value(inherited[1]) != UNCHOSEN:
            return inherited
        key = given["beams"][0]
        return key, made(self._default, key)

    def _meant(self, key: ScalarNode, value: Node) -> Node:
        """What a `penalty` is today: an id, or a parameter or alias as it is, whose value is still understood."""
        policy = self._policy(value)
        if value.tag == NULL:
            return made(self._default, key)
        if policy is None:
            meant = self._suggestion(value)
            policy = policy_called(self.registry, meant.word) if meant.fix else None
        elif value.start_mark.index < key.start_mark.index or value.value[:1] == "$":
            return value
        if policy is not None:
            return made(policy.id, key)
        is_id = value.tag == STR and "." in value.value  # of a plugin that is not here
        self.unknown.append(value if is_id else made("POLICY", key))
        return self.unknown[-1]

    def _beams(
        self,
        given: Mapping[str, Pair],
        own: Mapping[str, Pair],
        before: Mapping[str, Pair],
        policy: SearchPolicy | None,
    ) -> Pair | None:
        """The `beams` that a file has to say: those of its old options, or the one that was meant without."""
        options = _value(own, "with")
        takes = policy is None or "beams" in policy.config.model_fields
        if "beams" in entries_of(options) or not (options is None or isinstance(options, MappingNode)):
            return None
        if "beams" in given:
            key, node = given["beams"]
            node = made("1", key) if node.tag == NULL else node
            return (key, node) if takes or self.document.value(node) != 1 else None
        if "uses" in own or policy is None or not takes or "beams" in entries_of(_value(before, "with")):
            return None
        key = given["penalty"][0]
        return key, made("1", key)

    @property
    def _default(self) -> str:
        """The policy that was meant where no `penalty` is: that of the decoder's own options, or else the plain one."""
        own = self.model.model_construct().search.uses
        plain = policy_called(self.registry, PLAIN)
        return plain.id if own == UNCHOSEN and plain is not None else own

    def _policy(self, name: Node) -> SearchPolicy | None:
        return policy_called(self.registry, self.document.value(name))

    def _suggestion(self, value: Node) -> Suggestion:
        names = [*self.registry.policies, *(policy.formerly for policy in self.registry.policies.values())]
        is_text = isinstance(value, ScalarNode)
        return suggest(value.value, filter(None, names), place_of(value)) if is_text else Suggestion()

    def _problem(self, given: Mapping[str, Pair], search: Pair | None, said: Pair) -> Problem:
        """C226 for the old options of one file, with a fix where it is sure what they mean."""
        (key, _), *others = given.values()
        shown = " and ".join(f"`{name}`" for name in given)
        noun = "options" if others else "an option"
        message = f"{shown}: {noun} of the search, which has a key of its own now"
        old = [*given.values(), *([] if search is None else [search])]
        source = self.document.sources.get(key.start_mark.name, "")
        text = f"search: {flow_text(said[1], source)}"
        notes = tuple(Note(place_of(other), "and this") for other, _ in others)
        helps, unknown = [f"write `{text}`"], self._unknown(given)
        if unknown is not None:
            name, known = self.document.value(given["penalty"][1]), ", ".join(sorted(self.registry.policies))
            helps += [*unknown.helps, f"no search policy is called {name!r}; registered: {known}"]
        is_denied = self._is_denied(given, _said(search))
        if is_denied:
            helps.append("the `search` beside it says otherwise, and has the last word")
        is_sure = not is_denied and (unknown is None or bool(unknown.fix))
        fix = replacing(old, text, source) if is_sure else ()
        return Problem("C226", "error", message, place_of(key), "", notes, tuple(helps), fix)

    def _unknown(self, given: Mapping[str, Pair]) -> Suggestion | None:
        """What may be meant by a `penalty` that names nothing; None where there is no such one."""
        value = _value(given, "penalty")
        is_known = value is None or value.tag == NULL or self._policy(value) is not None
        return None if value is None or is_known else self._suggestion(value)

    def _is_denied(self, given: Mapping[str, Pair], own: Mapping[str, Pair]) -> bool:
        """Whether a `search` beside the old options says something else than they do."""
        penalty, uses = _value(given, "penalty"), _value(own, "uses")
        if penalty is None or uses is None or penalty.tag == NULL:
            differ = False
        else:
            differ = self._policy(penalty) != self._policy(uses)
        beams, options = _value(given, "beams"), _value(own, "with")
        if beams is None or options is None:
            return differ
        other = _value(entries_of(options), "beams")
        differ |= other is not None and self.document.value(other) != self.document.value(beams)
        return differ or not isinstance(options, MappingNode)


def _said(search: Pair | None) -> dict[str, Pair]:
    """The entries of a `search`; an id by itself is its `uses`."""
    if search is None or search[1].tag == NULL:
        return {}
    return entries_of(search[1]) if isinstance(search[1], MappingNode) else {"uses": search}


def _value(entries: Mapping[str, Pair], name: str) -> Node | None:
    return entries[name][1] if name in entries else None


def _over(before: Pair | None, search: Pair) -> Pair | None:
    """The `search` of a file over that of the files that it extends."""
    if before is not None and isinstance(before[1], MappingNode) and isinstance(search[1], MappingNode):
        return before[0], merge(before[1], search[1])
    return None if search[1].tag == NULL else search
