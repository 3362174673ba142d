"""Flows that the checker has found nothing wrong with, in the order in which they are shown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from composer.graph import Report, check
from composer.language import Source
from composer.plugin import Registry
from composer.views.proposing.flow_document import FlowDocument
from composer.views.proposing.flow_sizes import FlowSizes
from composer.views.proposing.flows import CallFlow
from composer.views.proposing.offered_calls import OfferedInput

__all__ = ["Proposal", "ProposalSets"]

MOST_CHECKED = 400
"""Documents that are checked before a search gives up: what the search cannot see is seldom."""


@dataclass(frozen=True)
class Proposal:
    """One whole document that checks."""

    document: FlowDocument
    report: Report
    parameters: int | None = None
    """Counted where that was asked for."""

    @property
    def modules(self) -> dict[str, int]:
        """The module types with weights, and how often each is called."""
        return self.document.flow.modules

    def text(self, name: str) -> str:
        """The document under this name."""
        return self.document.text(name)

    def as_json(self) -> dict[str, object]:
        return {
            "modules": self.modules,
            "nodes": self.document.node_lines,
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
            report = check(Source("proposal.yaml", document.text("proposal")), registry=self.registry)
            if not report.problems:
                proposal = Proposal(document, report)
                yield replace(proposal, parameters=self._parameters(report)) if self.counted else proposal

    def _parameters(self, report: Report) -> int:
        from composer.views.cost import parameters_of

        total = 0
        for module in report.raise_for_errors().modules.values():
            key = (module.type.id, module.config.model_dump_json())
            if key not in self._sizes:
                self._sizes[key] = parameters_of(module)
            total += self._sizes[key]
        return total
