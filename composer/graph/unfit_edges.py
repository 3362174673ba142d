"""Edges that do not fit: one problem for one cause, with what would fit in its place."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations
from typing import TYPE_CHECKING

from composer.graph.alternatives import alternatives
from composer.graph.checked import Callee, Read, UsedPiece, text_of
from composer.graph.derivation import Derivation
from composer.graph.explaining import Explainer
from composer.graph.fitting import Edge, Roles, Unfit, kind_fits, local_type, shown_dim, swapped_pair
from composer.problems import Note, Problem
from composer.types import PortType

if TYPE_CHECKING:
    from composer.graph.edges import EdgeChecker

__all__ = ["UnfitEdges"]

MOST_SWAPPED = 8
"""A node with more inputs is not tried for two that are swapped."""


@dataclass
class UnfitEdges:
    """Tells of the edges of one task that do not fit, by what its checker knows of them."""

    checker: EdgeChecker

    @cached_property
    def explainer(self) -> Explainer:
        return Explainer(self.checker.document, self.checker.registry)

    def tell(self, unfit: list[Unfit], callee: Callee, edges: Collection[Edge]) -> None:
        """Tell of the edges of one node that do not fit. `edges` are all of them, where all are known."""
        swapped = swapped_pair(unfit)
        if swapped is None and self._tells_swapped(unfit, edges):
            return
        for fault in unfit:
            edge = fault.edge._replace(
                given=self.checker.normal(fault.edge.given),
                wanted=self.checker.normal(fault.edge.wanted),
            )
            place = self.checker.document.tree.place(edge.reference)
            if swapped is not None and fault is swapped[1]:
                continue  # told of with the first
            keys = self._keys(fault, edge)
            if self.checker.faults.joins(keys, edge, place):
                continue
            hints = [*self._prepared(edge, callee), *self._alternatives(callee, edges)]
            if swapped is not None and fault is swapped[0]:
                hints = [f"`{edge.port}` and `{swapped[1].edge.port}` of `{edge.node}` are swapped", *hints]
            problem = self._problem(fault, edge, callee, hints)
            notes = (*self._declared(edge, callee), *problem.notes)
            self.checker.faults.add(keys, replace(problem, notes=notes) if notes else problem)

    def _tells_swapped(self, unfit: Sequence[Unfit], edges: Collection[Edge]) -> bool:
        """Whether all edges of a node fit once two of one kind are changed over, which is then told at these two."""
        if any(not fault.indices for fault in unfit) or len(edges) > MOST_SWAPPED:
            return False
        for one, other in combinations(edges, 2):
            if one.wanted.kind != other.wanted.kind or one.source == other.source or one.port == other.port:
                continue
            changed = {id(one): other.given, id(other): one.given}
            if self._all_fit([(changed.get(id(edge), edge.given), edge.wanted) for edge in edges]):
                code = "C270" if any(map(self._counts_values, (one.given, other.given))) else "C203"
                tree = self.checker.document.tree
                message = f"`{one.port}` and `{other.port}` of `{one.node}` are swapped"
                helps = (
                    f"write `{one.port}: {text_of(other.source)}` and `{other.port}: {text_of(one.source)}`",
                )
                notes = (Note(tree.place(other.reference), f"the other one: {other.label}"),)
                problem = Problem(code, "error", message, tree.place(one.reference), one.label, notes, helps)
                self.checker.faults.add([("swapped", one.reference)], problem)
                return True
        return False

    def _prepared(self, edge: Edge, callee: Callee) -> list[str]:
        """How the input at the other end is prepared for the module, where that says it."""
        if callee.module.type.made_for is None:
            return []
        from composer.graph.preparation import PreparedSource, differences

        item = PreparedSource.of(
            self.checker.inputs.get(edge.source[0]) or self.checker.reads.get(edge.source[0])
        )
        found = None if item is None else differences(self.checker, item, callee.module)
        return [] if found is None else [*found.helps[:1]]

    def _counts_values(self, port: PortType) -> bool:
        return self.checker.counted_by_values(port) is not None

    def _declared(self, edge: Edge, callee: Callee) -> Iterator[Note]:
        """Where a piece declares the input at either end of an edge."""
        tree, sides = self.checker.document.tree, []
        if isinstance(callee, UsedPiece):
            sides.append((callee.body.name, edge.port))
        if not edge.source[1]:
            sides.append((str(edge.reference[1]), edge.source[0]))
        for piece, port in sides:
            yield Note(tree.place(("pieces", piece, "inputs", port)), f"input `{port}` of piece `{piece}`")

    def _problem(self, fault: Unfit, edge: Edge, callee: Callee, hints: Sequence[str]) -> Problem:
        if not fault.indices:
            shown = self.checker.shown()
            fitting = [
                shown.get((n, p)) or text_of((n, p))
                for (n, p), t in self.checker.types.items()
                if n != edge.node and self._fits(t, edge.wanted) and ("/" not in n or (n, p) in shown)
            ]
            if "/" in edge.node:
                fitting = []  # what the task has is not seen inside of a piece
            if not fitting and edge.port in callee.signature.inputs:
                hints = [*hints, *_left_out(callee, edge.port)]
            return self.explainer.kinds(edge, fitting, hints)
        about = self._values(fault, edge)
        if about is not None:
            return about
        if fault.refused is not None and len(fault.indices) == 1:
            value, taken = fault.refused
            offered = self.checker.solver.bounds(value)
            return self.explainer.sizes(fault.edge, fault.indices[0], self.derivation, offered, taken)
        for index in fault.indices:
            fixed = [s for s in fault.edge.wanted.dims[index].symbols if s in self.checker.first_calls]
            if fixed:
                first = self.checker.first_calls[fixed[0]]
                return self.explainer.calls(edge, index, self.derivation, callee.module.name, first)
        return self.explainer.dimensions(edge, fault.indices, self.derivation, hints)

    def _values(self, fault: Unfit, edge: Edge) -> Problem | None:
        """C270, where one side has an entry for each value of an input, and the other one for each sample."""
        batch = self.checker.registry.kinds[edge.given.kind].batch_axis
        if batch not in fault.indices:
            return None
        for side in (edge.given, edge.wanted):
            input_ = self.checker.counted_by_values(side)
            several = None if input_ is None else self.checker.several.get(input_)
            if input_ is not None and several is not None:
                from composer.graph.repetition import other_way_round, values_as_samples

                place, source = self.checker.document.tree.place(edge.reference), text_of(edge.source)
                target = f"{edge.node}.{edge.port}"
                make = values_as_samples if side is edge.given else other_way_round
                return make(source, target, input_, several, edge.given, place, edge.label)
        return None

    def _keys(self, fault: Unfit, edge: Edge) -> list[Hashable]:
        """What the fault comes from. Two faults with a key in common are one."""
        source, node = (edge.reference[:2], edge.source), (edge.reference[:2], edge.node, edge.port)
        if edge.reference[0] == "pieces":
            return [*self._causes(fault, edge, source, node), ("at", edge.reference)]
        return self._causes(fault, edge, source, node)

    def _causes(self, fault: Unfit, edge: Edge, source: Hashable, node: Hashable) -> list[Hashable]:
        if not fault.indices:
            return [("kinds", source, edge.wanted.name)]
        texts = tuple(
            (index, shown_dim(edge.given.dims[index]), shown_dim(edge.wanted.dims[index]))
            for index in fault.indices
        )
        keys: list[Hashable] = [("from", edge.given.kind, texts, source)]
        for side, (owner, port) in (("from", edge.source), ("to", (edge.node, f">{edge.port}"))):
            roots = {root for index in fault.indices for root in self.derivation.roots(owner, port, index)}
            if roots:
                keys.append((side, edge.given.kind, texts, frozenset(roots)))
        return keys if len(keys) > 1 else [*keys, ("to", texts, node)]

    @cached_property
    def derivation(self) -> Derivation:
        """Causes of dimensions, as far as the task has been read."""
        return Derivation(
            self.checker.document.tree,
            self.checker.owners,
            self.checker.bindings,
            lambda n, p: self.checker.raw.get((n, p)),
            self.checker.solver.made_from,
        )

    def _alternatives(self, callee: Callee, edges: Collection[Edge]) -> list[str]:
        """Other methods of the module, or other types in its place, that take what the node is given."""
        return [] if not edges else alternatives(callee, list(edges), self.checker.registry, self._all_fit)

    def _all_fit(self, pairs: Iterable[tuple[PortType, PortType]]) -> bool:
        """Whether types that are given would fit those of a signature, all together. Nothing is kept of it."""
        roles = Roles()
        with self.checker.solver.trial():
            return all(
                self._fits(given, wanted)
                and roles.taken(wanted.role, given.role) is None
                and all(map(self.checker.solver.unify, given.dims, local_type(wanted, "?", {}).dims))
                for given, wanted in pairs
            )

    def _fits(self, given: PortType, wanted: PortType) -> bool:
        """Whether the kinds go together, and the roles where both have one."""
        named = not (wanted.has_open_role or not given.role or not wanted.role)
        return kind_fits(self.checker.registry.kinds, given.kind, wanted.kind) and not (
            named and given.role != wanted.role
        )


def _left_out(callee: Callee, port: str) -> Iterator[str]:
    """What an input port that may stay unwired means without a source."""
    if callee.signature.inputs[port].optional:
        counts = isinstance(callee, Read) and port in callee.counted.values()
        yield f"leave `{port}` out" + (": each sample has one value of its medium then" if counts else "")
