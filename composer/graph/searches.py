"""The search of a `generate` node: the options of the node, the policy that they name and the policy's own options."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from composer.graph.checked import CheckedModule, CheckedSearch
from composer.graph.configs import ConfigReader
from composer.graph.plugin_faults import report_fault
from composer.language import NodeShape
from composer.plugin import Config, GenerateOptions, Modality, Registry, SearchPolicy, TextRules, Vocabulary
from composer.plugin.answers import as_beams, as_flag, as_output_ports
from composer.plugin.asking import PluginError
from composer.problems import Findings, Problem, YamlPath
from composer.types import Dim, Port, Signature

if TYPE_CHECKING:
    from composer.graph.callees import Callees

__all__ = ["OLD_OPTIONS", "SearchReader", "policy_called"]


OLD_OPTIONS = ("penalty", "beams")
"""What stood beside `max_tokens` before a search had options of its own."""


def policy_called(registry: Registry, name: object) -> SearchPolicy | None:
    """The search policy of this id, or the one that documents called so once."""
    if not isinstance(name, str):
        return None
    if name in registry.policies:
        return registry.policies[name]
    former = (policy for policy in registry.policies.values() if name and policy.formerly == name)
    return next(former, None)


@dataclass(frozen=True)
class SearchReader:
    """Reads `with` of `generate` nodes; each fault is reported where it is written."""

    callees: Callees

    def read(
        self, node: NodeShape, module: CheckedModule, path: YamlPath
    ) -> tuple[GenerateOptions, CheckedSearch] | None:
        """The options and the search of a node, or None after reporting."""
        generation = module.type.generation
        assert generation is not None
        data, reader, is_told = node.with_, self.callees.reader, False
        if self._has_old_options(data, path):
            from composer.graph.old_search import renewed

            today = renewed(data, path, generation.options, self.callees.document, self.callees.registry)
            self.callees.findings.extend(today.problems)
            data, reader, is_told = today.data, replace(reader, tree=today.tree), today.is_unknown
        title = f"`generate` of {module.type.title}"
        options = reader.read(generation.options, data, path, f"generate {module.name}", title)
        if options is None:
            return None
        assert isinstance(options, GenerateOptions)
        called = policy_called(self.callees.registry, options.search.uses)
        if called is None and is_told:
            return None
        policy = self._found(options.search.uses if called is None else called.id, path)
        search = None if policy is None else self._search(policy, options.search.with_, path, reader)
        return None if search is None else (options, search)

    def hold_rules(
        self,
        search: CheckedSearch,
        options: GenerateOptions,
        module: CheckedModule,
        path: YamlPath,
        writes: tuple[Vocabulary, Modality, Config],
    ) -> None:
        """Report C280 for rules of texts that cannot hold, and C281 for texts that the tokenizer cannot write."""
        rules = search.config
        is_ruled = isinstance(rules, TextRules) and (
            rules.forbidden or rules.first or rules.last or rules.stop
        )
        if not is_ruled and not search.policy.spells:
            return
        from composer.graph.search_rules import SearchRuleFaults, crowding_faults, spelling_faults
        from composer.plugin.written_words import texts_of

        vocabulary, modality, config = writes
        tree, findings = self.callees.document.tree, self.callees.findings
        tokenizer = None
        if any(texts_of(rules, spells=search.policy.spells)):
            tokenizer = self.callees.words.tokenizer(modality, config)
        if tokenizer is not None:
            findings.extend(spelling_faults(tree, path, search, module.name, tokenizer))
            if search.policy.spells:
                findings.extend(
                    crowding_faults(tree, path, search, tokenizer, vocabulary, options.max_tokens)
                )
        if isinstance(rules, TextRules):
            written = self.callees.vocabularies.written.get(module.name)
            size = vocabulary.size if vocabulary.size is not None or written is None else written.ids.size
            about = (tree, path, search.policy.id, module.name, vocabulary, size, tokenizer)
            findings.extend(SearchRuleFaults(*about).found(rules, options))

    def with_ports(self, signature: Signature, search: CheckedSearch, path: YamlPath) -> Signature | None:
        """The signature of a node with the ports of its policy; None after reporting C303. `B` counts its samples."""
        policy = search.policy
        what = f"`ports` of {policy.title}"
        ports = self.callees.asked(policy.ports, (search.config,), path, what, as_output_ports)
        if not ports:
            return None if ports is None else signature
        doubled = [port for port in ports if port in signature.outputs]
        if doubled:
            error = PluginError(what, f"names {doubled[0]!r}, which is an output port of the decoder as well")
            report_fault(self.callees.findings, error, self.callees.document.tree.place(path))
            return None
        batch = next(
            (port.type.dims[0] for port in signature.outputs.values() if port.type.dims), Dim.of("B")
        )
        counted = {
            name: Port(port.with_dims(tuple(dim.substitute({"B": batch}) for dim in port.dims)))
            for name, port in ports.items()
        }
        return replace(signature, outputs={**signature.outputs, **counted})

    def _has_old_options(self, data: Mapping[str, object], path: YamlPath) -> bool:
        """Whether a file of the chain has old options for a node, be it to remove those that it extends."""
        if len(self.callees.document.layers) == 1:
            return any(name in data for name in OLD_OPTIONS)
        paths = [(*path, "with", name) for name in OLD_OPTIONS]
        return any(layer.node(each) is not None for layer in self.callees.document.layers for each in paths)

    def _search(
        self, policy: SearchPolicy, options: dict[str, object], path: YamlPath, reader: ConfigReader
    ) -> CheckedSearch | None:
        where = (*path, "with", "search")
        at = where if reader.tree.node(where) is not None else path
        known = policy.config.model_fields
        if any(name not in known for name in options):
            own = replace(reader, findings=Findings())
            config = own.read(policy.config, options, at, policy.id, policy.title)
            reader.findings.extend(self._with_owners(problem, options, known) for problem in own.findings)
        else:
            config = reader.read(policy.config, options, at, policy.id, policy.title)
        if config is None:
            return None
        beams = self.callees.asked(policy.beams, (config,), at, f"`beams` of {policy.title}", as_beams)
        streams = self.callees.asked(policy.streams, (config,), at, f"`streams` of {policy.title}", as_flag)
        return None if beams is None or streams is None else CheckedSearch(policy, config, beams, streams)

    def _with_owners(self, problem: Problem, options: Mapping[str, object], known: Container[str]) -> Problem:
        """An unknown option with the policies that have it."""
        if problem.code != "C101" or problem.fix:
            return problem
        unknown = (name for name in options if name not in known and f"`{name}`" in problem.message)
        for name in unknown:
            owners = [
                each.id
                for each in self.callees.registry.policies.values()
                if name in each.config.model_fields
            ]
            if owners:
                return replace(
                    problem, helps=(f"`{name}` is an option of {', '.join(owners)}", *problem.helps)
                )
        return problem

    def _found(self, id: str, path: YamlPath) -> SearchPolicy | None:
        """The policy, or None after reporting where its id is written: at the node, where it is one by default."""
        tree = self.callees.document.tree
        places = ((*path, "with", "search", "uses"), (*path, "with", "search"), (*path, "generate"))
        where = next(place for place in places if tree.node(place) is not None)
        return self.callees.find(self.callees.registry.policies, id, where, "C221", "search policy")
