"""Flows that the checker has found nothing wrong with, in the order in which they are shown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

from composer.graph import Report, check
from composer.language import Source
from composer.plugin import Registry
from composer.plugin.declarations import config_text
from composer.views.proposing.flow_document import FlowDocument
from composer.views.proposing.flow_objectives import ObjectiveFinder
from composer.views.proposing.flow_sizes import FlowSizes
from composer.views.proposing.flows import CallFlow
from composer.views.proposing.offered_calls import OfferedInput

__all__ = ["Proposal", "ProposalSets"]

MOST_CHECKED = 400
"""Documents that are checked before a search gives up: what the search cannot see is seldom."""
MOST_OBJECTIVES = 24
"""Objectives that are tried for each of them, the simplest first."""


@dataclass(frozen=True)
class Proposal:
    """One whole document that checks."""

    document: FlowDocument
    report: Report
    parameters: int | None = None
    """Counted where that was asked for."""

    @property
    def modules(self) -> dict[str, int]:
        """The module types with weights, and how often each is called to answer; a loss may have weights, too."""
        calls = self.document.flow.modules
        return {type_id: calls.get(type_id, 1) for type_id in self.document.modules}

    def text(self, name: str) -> str:
        """The document under this name."""
        return self.document.text(name)

    def as_json(self) -> dict[str, object]:
        return {
            "modules": self.modules,
            "nodes": self.document.node_lines,
            "objective": self.document.objective_lines,
            "parameters": self.parameters,
            "document": self.text(self.document.task),
        }


@dataclass
class ProposalSets:
    """Sorts flows by the modules that they are made of: one from each set, then the next from each."""

    inputs: Mapping[str, OfferedInput]
    goals: Sequence[str]
    registry: Registry
    counted: bool
    """Whether parameters are counted."""
    objectives: ObjectiveFinder | None = None
    """Where every document is to have an objective: what finds them."""
    _checked: int = 0
    _sizes: dict[tuple[object, ...], int] = field(default_factory=dict)
    """Parameters of a module type with a config, so that each is built once."""

    def first(self, flows: Sequence[CallFlow], most: int) -> list[Proposal]:
        """At most so many documents without a problem, not even a warning."""
        sets: dict[frozenset[str], list[CallFlow]] = {}
        for flow in sorted(flows, key=lambda flow: flow.rank):
            sets.setdefault(frozenset(flow.modules), []).append(flow)
        waiting = [self._sound(each) for each in sets.values()]
        found: list[Proposal] = []
        while waiting and len(found) < most:
            turn = [(rest, next(rest, None)) for rest in waiting]
            waiting = [rest for rest, proposal in turn if proposal is not None]
            proposals = [proposal for _, proposal in turn if proposal is not None]
            # of equals, the sets stay in the order of their modules
            found += sorted(proposals, key=lambda each: each.parameters or 0)
        return found[:most]

    def _sound(self, flows: Sequence[CallFlow]) -> Iterator[Proposal]:
        for flow in flows:
            if self._checked == MOST_CHECKED:
                return
            self._checked += 1
            sizes = FlowSizes(flow, self.inputs)
            if not sizes.settle():
                continue
            document = FlowDocument(flow, self.inputs, self.goals, sizes)
            proposal: Proposal | None = self._checked_document(document)
            if proposal is not None and self.objectives is not None:
                proposal = self._trained(proposal, self.objectives)
            if proposal is not None:
                yield (
                    replace(proposal, parameters=self._parameters(proposal.report))
                    if self.counted
                    else proposal
                )

    def _checked_document(self, document: FlowDocument) -> Proposal | None:
        report = check(Source("proposal.yaml", document.text("proposal")), registry=self.registry)
        return None if report.problems else Proposal(document, report)

    def _trained(self, proposal: Proposal, finder: ObjectiveFinder) -> Proposal | None:
        """The same with the first objective that the checker finds nothing wrong with; None where there is none."""
        document = proposal.document
        flow = document.flow
        (task,) = proposal.report.tasks.values()
        types = [task.types[end] for end in task.outputs.values()]
        sizes = {dim.constant for type_ in types for dim in type_.dims if dim.is_number}
        for objective in islice(finder.of(flow, document.output_names, sizes), MOST_OBJECTIVES):
            inputs = {**self.inputs, **objective.targets}
            own = FlowSizes(CallFlow(flow.streams, (*flow.calls, *objective.calls)), inputs)
            if own.settle():
                whole = FlowDocument(flow, self.inputs, self.goals, own, objective)
                found = self._checked_document(whole)
                if found is not None:
                    return found
        return None

    def _parameters(self, report: Report) -> int:
        from composer.views.cost import parameters_of

        total = 0
        for module in report.raise_for_errors().modules.values():
            key = (module.type.id, config_text(module.config))
            if key not in self._sizes:
                self._sizes[key] = parameters_of(module)
            total += self._sizes[key]
        return total
