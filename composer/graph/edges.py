"""Edges: the type that a port offers against the type that the next one wants, and why they differ."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from composer.graph.checked import (
    Callee,
    CheckedInput,
    Endpoint,
    Generate,
    InPlace,
    Read,
    Wired,
    endpoints_of,
)
from composer.graph.derivation import Owner, first_cause, owner_of_call, owner_of_input, range_port, ranges_of
from composer.graph.faults import EdgeFaults
from composer.graph.fitting import (
    PIECE,
    TASK,
    Edge,
    Roles,
    Unfit,
    kind_fits,
    lasting_symbols,
    local_type,
    renamed_dim,
)
from composer.graph.solver import Refused, Solver
from composer.graph.vocabularies import Carried, Vocabularies
from composer.language import Resolved
from composer.plugin import Config, Modality, Registry
from composer.problems import Findings, Place, YamlPath
from composer.types import Dim, Port, PortType, Several, Symbol, parse_dim

if TYPE_CHECKING:
    from composer.graph.unfit_edges import UnfitEdges
    from composer.graph.unknown_kinds import KindFault

__all__ = ["EdgeChecker"]


@dataclass
class EdgeChecker:
    """Types the ports of one task in running order. A port whose type is unknown is absent from `types` and poisons."""

    document: Resolved
    registry: Registry
    solver: Solver
    findings: Findings
    vocabularies: Vocabularies
    faults: EdgeFaults
    first_calls: dict[Symbol, tuple[Place, str]] = field(default_factory=dict)
    """Module-wide symbol to the call that fixed it; shared between tasks."""
    types: dict[Endpoint, PortType] = field(default_factory=dict)
    wanted: dict[Endpoint, PortType] = field(default_factory=dict)
    """What input ports are read as, before anything is known of the symbols."""
    owners: dict[str, Owner] = field(default_factory=dict)
    bindings: dict[Symbol, tuple[Endpoint, int, YamlPath]] = field(default_factory=dict)
    raw: dict[Endpoint, PortType] = field(default_factory=dict)
    carried: dict[Endpoint, Carried] = field(default_factory=dict)
    """The vocabulary whose ids a port carries, where that is known."""
    defaults: dict[Symbol, tuple[str, YamlPath, str, int]] = field(default_factory=dict)
    """Symbol of what is read as a modality → what that is and where, the field that limits its size by default, and
    the limit."""
    misfits: set[str] = field(default_factory=set)
    """Nodes with an input that does not fit."""
    shown: Callable[[], Mapping[Endpoint, str]] = dict
    """The ports inside of pieces that the task can name, with what it writes for them."""
    followed: dict[str, dict[str, str]] = field(default_factory=dict)
    """Input → its ports that count the values of other inputs, with the name of each."""
    inputs: dict[str, CheckedInput] = field(default_factory=dict)
    """The inputs of the task."""
    reads: dict[str, Read] = field(default_factory=dict)
    """The nodes that read what another wrote."""
    several: dict[str, Several] = field(default_factory=dict)
    """The inputs of which a sample may have none or several values."""

    def add_input(self, item: CheckedInput) -> None:
        """The ports of a task input; its symbols are the task's free dimensions."""
        modality = item.modality
        self.inputs[item.name] = item
        self.owners[item.name] = owner_of_input(item, self.registry.kinds)
        owner = TASK if modality.shares_symbols else item.name
        own: dict[str, Symbol] = {}
        if item.several is not None:
            from composer.graph.repetition import take_several

            own = take_several(self, item, item.several)
        followed = self.followed.get(item.name, {})
        for name, bounds in ranges_of(modality, item.config).items():
            self._bring(Symbol(name, owner), bounds, item.name, f"input `{item.name}`", item.path)
        self._carry(item.name, modality, item.config, item.path, f"input `{item.name}`")
        for port, declared in item.ports.items():
            if self.known_kind(declared, item.path):
                self.raw[item.name, port] = declared
                local = local_type(declared, owner, own)
                if port in followed:
                    from composer.graph.following import counting_values

                    local = counting_values(self, local, followed[port])
                self.types[item.name, port] = local
                kind = self.registry.kinds.get(declared.kind)
                counted = kind.batch_of(local.dims) if kind is not None else None
                batch = [
                    s for s in (counted.symbols if counted is not None else ()) if s not in self.solver.apart
                ]
                self.solver.samples.update(batch)
                counting = {*batch, *(self.solver.samples if port in followed else ())}
                self.solver.rigid.update(s for dim in local.dims for s in dim.symbols if s not in counting)
        for name in followed.values():
            from composer.graph.following import samples_of

            self.solver.unify(samples_of(self, name), samples_of(self, item.name))

    def counted_by_values(self, port: PortType) -> str | None:
        """The input whose values a port has an entry for, where a sample may have none or several of them."""
        kind = self.registry.kinds.get(port.kind)
        batch = None if kind is None else kind.batch_of(port.dims)
        if batch is None or not self.solver.apart:
            return None
        return next(
            (self.solver.apart[s] for s in self.solver.normal(batch).symbols if s in self.solver.apart), None
        )

    def _mixes_values(self, edges: Sequence[Edge]) -> bool:
        """Whether a node reads values of one input with the places of another one's (C270)."""
        if not self.several:
            return False
        from composer.graph.repetition import of_other_items

        problem = of_other_items(self, edges)
        if problem is not None:
            self.findings.add(problem)
        return problem is not None

    def _bring(self, symbol: Symbol, bounds: tuple[int, int], name: str, shown: str, path: YamlPath) -> None:
        """The sizes that an input, or a node that reads a text, brings."""
        cause = first_cause(self.owners[name], range_port(symbol.name), 1)
        written = cause is not None and self.document.tree.node(cause.path)
        if written is not None and cause is not None:
            self.limit(symbol, bounds)
        else:  # a default is not a statement of the author's: it gives way to what the modules take
            self.solver.ranges.setdefault(symbol, bounds)
            self.defaults[symbol] = (shown, path, "" if cause is None else cause.field, bounds[1])

    def _carry(self, name: str, modality: Modality, config: Config, path: YamlPath, shown: str) -> None:
        """The ids that the ports of a modality carry."""
        found = self.vocabularies.of_modality(modality, config, path, shown)
        self.carried |= {(name, port): carried for port, carried in found.items()}

    def add_port(self, name: str, declared: Port) -> None:
        """An input of a piece that is checked by itself: each of its symbols stands for any size."""
        self.raw[name, ""] = declared.type
        self.types[name, ""] = local_type(declared.type, PIECE, {})

    def unfit(
        self, edges: Sequence[Edge], callee: Callee, roles: Roles, known: Sequence[Edge] = ()
    ) -> list[Unfit]:
        """Unify the edges of one node or use; those that do not fit are told, with the others that are `known`."""
        found = [fault for edge in edges if (fault := self._unify(edge, roles)) is not None]
        if found:
            self._unfit_edges.tell(found, callee, known)
        return found

    def add_node(
        self,
        name: str,
        callee: Callee,
        sources: Mapping[str, Wired],
        path: YamlPath,
        written: Mapping[str | None, YamlPath],
    ) -> None:
        """Unify every wired input of a node, then give its outputs their types."""
        signature = callee.signature
        fixed = lasting_symbols(signature, callee.module.name)
        self.owners[name] = owner_of_call(callee)
        if signature.ranges:
            self._take_ranges(callee, name, fixed, path)
        if isinstance(callee, Read):
            self.reads[name] = callee
            self._carry(name, callee.modality, callee.module.config, path, f"node `{name}`")
        edges, read, is_known = self._edges_into(name, callee, sources, path, written, fixed)
        roles = Roles()
        unfit = self.unfit(edges, callee, roles, () if len(edges) < len(sources) else edges)
        fits = not self._mixes_values(edges) and not unfit
        for edge in edges:
            self.wanted[name, edge.port] = edge.wanted.with_role(roles.given(edge.wanted.role))
        if signature.vocabulary or isinstance(callee, Generate):
            bad = {fault.edge.port for fault in unfit}
            fitting = {port: source for port, source in sources.items() if port not in bad}
            fits &= self._vocabularies(name, callee, fitting, written, path)
        if unfit:
            self.misfits.add(name)
        else:
            self._prepared(edges, callee)
        for port, declared in signature.outputs.items():
            if self.known_kind(declared.type, path) and is_known and fits:
                self.raw[name, port] = declared.type
                made = local_type(declared.type, name, fixed).with_role(roles.given(declared.type.role))
                made = self._counting(name, callee, port, made, sources, read)
                self._make_sizes(made, read)
                self.types[name, port] = self.normal(made)

    def _edges_into(
        self,
        name: str,
        callee: Callee,
        sources: Mapping[str, Wired],
        path: YamlPath,
        written: Mapping[str | None, YamlPath],
        fixed: Mapping[str, Symbol],
    ) -> tuple[list[Edge], dict[Symbol, None], bool]:
        """The edges into a node, the symbols of what it reads, and whether both ends of all that it needs are known."""
        edges: list[Edge] = []
        read: dict[Symbol, None] = {}
        is_known = True
        for port, declared in callee.signature.inputs.items():
            self.raw[name, f">{port}"] = declared.type
            wanted = local_type(declared.type, name, fixed)
            endpoints = sources.get(port)
            if endpoints is None:
                is_known &= declared.optional
                continue
            reference = written.get(port) or written.get(None) or path
            for endpoint in endpoints_of(endpoints):
                given = self.types.get(endpoint)
                if given is None or not self.known_kind(wanted, path):
                    is_known = False
                    continue
                edges.append(Edge(endpoint, name, port, given, wanted, reference, path))
            for dim in wanted.dims:
                read.update(dict.fromkeys(dim.symbols))
        return edges, read, is_known

    def _prepared(self, edges: Sequence[Edge], callee: Callee) -> None:
        """Hold the inputs that a node reads against what its module was made for (C295)."""
        if callee.module.type.made_for is None:
            return
        from composer.graph.preparation import PreparedSource, differences

        for name in sorted({edge.source[0] for edge in edges}):
            item = PreparedSource.of(self.inputs.get(name) or self.reads.get(name))
            found = None if item is None else differences(self, item, callee.module)
            if item is not None and found is not None:
                self.findings.add(found, ("C295", item.path, callee.module.name))

    def _take_ranges(self, callee: Callee, name: str, fixed: Mapping[str, Symbol], path: YamlPath) -> None:
        signature = callee.signature
        taken = {s for port in signature.inputs.values() for d in port.type.dims for s in d.symbols}
        for declared, bounds in signature.ranges.items():
            symbol = Symbol(declared, name)
            if declared in taken:
                self.solver.ranges.setdefault(fixed.get(declared, symbol), bounds)
            elif isinstance(callee, Read):
                self._bring(symbol, bounds, name, f"node `{name}`", path)
            else:  # a size that the node makes: what it promises, not what it asks for
                self.limit(symbol, bounds)

    def _counting(
        self,
        name: str,
        callee: Callee,
        port: str,
        made: PortType,
        sources: Mapping[str, Wired],
        read: dict[Symbol, None],
    ) -> PortType:
        """The type of an output, whose first dimension may count the values of an input that a node reads of."""
        if not isinstance(callee, Read) or port not in callee.counted:
            return made
        from composer.graph.following import counting_items

        counting = counting_items(self, name, callee, port, made, sources)
        read.update(dict.fromkeys(counting.dims[0].symbols))
        return counting

    def _make_sizes(self, given: PortType, read: Collection[Symbol]) -> None:
        """Symbols that no input has stand for sizes that only the node knows: nothing else may be taken for them."""
        for symbol in [symbol for dim in given.dims for symbol in dim.symbols]:
            if symbol not in read and not symbol.lasting and symbol not in self.solver.made_from:
                sources = {s for other in read for s in self.solver.normal(Dim.of(other)).symbols}
                self.solver.make(symbol, sources)

    def limit(self, symbol: Symbol, bounds: tuple[int, int]) -> None:
        """A symbol has these sizes, both ends included, whatever reads it."""
        self.solver.ranges.setdefault(symbol, bounds)
        self.solver.limits.setdefault(symbol, bounds)

    def _vocabularies(
        self,
        name: str,
        callee: Callee,
        sources: Mapping[str, Wired],
        written: Mapping[str | None, YamlPath],
        path: YamlPath,
    ) -> bool:
        """Hold the ids that come in against what the node knows, and say which ids go out."""
        fits = True
        if isinstance(callee, Generate) and callee.module.name in self.vocabularies.written:
            self.carried[name, "ids"] = self.vocabularies.written[callee.module.name]
        for port, entries in callee.signature.vocabulary.items():
            if port in callee.signature.outputs:
                fits &= self._pass_on(name, port, str(entries).split(" + "), sources)
                continue
            endpoints = sources.get(port)
            known = self._entries(entries, name, callee)
            if endpoints is None or known is None:
                continue
            for endpoint in endpoints_of(endpoints):
                carried, given = self.carried.get(endpoint), self.types.get(endpoint)
                if carried is None or given is None:
                    continue
                reference = written.get(port) or written.get(None) or path
                edge = Edge(endpoint, name, port, given, given, reference, path)
                module = None if isinstance(callee, InPlace) else callee.module.name
                fits &= self.vocabularies.reads(carried, known, edge, self.owners[name], module)
        return fits

    def _pass_on(self, name: str, port: str, inputs: list[str], sources: Mapping[str, Wired]) -> bool:
        """An output gives on the ids of inputs: which vocabulary is theirs, and whether it is one for all of them."""
        ends = [end for each in inputs for end in endpoints_of(sources.get(each, ()))]
        found = [carried for carried in map(self.carried.get, ends) if carried is not None]
        if found:
            self.carried[name, port] = found[0]
        return not found or self.vocabularies.joins(found, name, self.owners[name].path)

    def _entries(self, entries: int | str, name: str, callee: Callee) -> int | None:
        """How many ids an input knows; None where nothing has settled it."""
        fixed = lasting_symbols(callee.signature, callee.module.name)
        dim = self.solver.normal(renamed_dim(parse_dim(entries), name, fixed))
        return dim.constant if dim.is_number else None

    def normalised(self, types: Mapping[Endpoint, PortType]) -> dict[Endpoint, PortType]:
        """Types with everything that later edges taught about their symbols."""
        return {endpoint: self.normal(port) for endpoint, port in types.items()}

    def normal(self, port: PortType) -> PortType:
        """A type with everything that edges taught about its symbols so far."""
        if not any(d.terms for d in port.dims):
            return port
        return port.with_dims(tuple(map(self.solver.normal, port.dims)))

    def known_kind(self, port: PortType, path: YamlPath) -> bool:
        """Whether a port type has a registered kind and as many dims; reports C220 where the kind was written."""
        kind = self.registry.kinds.get(port.kind)
        if kind is None:
            problem = self._kind_fault(port, path).unknown()
        elif not kind.holds_arrays and self._is_written(port, path):
            problem = self._kind_fault(port, path).no_array(kind)
        elif len(kind.dims) != len(port.dims):
            problem = self._kind_fault(port, path).wrong_dims(kind)
        else:
            return True
        self.findings.add(problem, problem)
        return False

    def _is_written(self, port: PortType, path: YamlPath) -> bool:
        """Whether the document says the kind of a port itself."""
        return self.document.tree.text((*path, "with", "kind")) == port.name

    def _kind_fault(self, port: PortType, path: YamlPath) -> KindFault:
        from composer.graph.unknown_kinds import KindFault

        return KindFault(port, path, self._is_written(port, path), self.registry, self.document.tree)

    @cached_property
    def _unfit_edges(self) -> UnfitEdges:
        from composer.graph.unfit_edges import UnfitEdges

        return UnfitEdges(self)

    def _unify(self, edge: Edge, roles: Roles) -> Unfit | None:
        """Make both types of an edge equal; what does not fit of it, in all its dimensions."""
        given, wanted = edge.given, edge.wanted
        if not kind_fits(self.registry.kinds, given.kind, wanted.kind):
            return Unfit(edge)
        role = roles.taken(wanted.role, given.role)
        if role is not None:
            return Unfit(edge._replace(wanted=wanted.with_role(role)), is_role=True)
        indices: list[int] = []
        refused: Refused | None = None
        for index, (offer, want) in enumerate(zip(given.dims, wanted.dims, strict=True)):
            free = want.is_symbol and want.symbols[0] not in self.solver.solved
            lasting = free and want.symbols[0].lasting
            # what a module's weights fix is a number, so the caller's own dimension cannot stand for it
            chosen = lasting and not self.solver.rigid.isdisjoint(self.solver.normal(offer).symbols)
            if chosen or not self.solver.unify(offer, want):
                indices.append(index)
                refused = self.solver.refused
            elif free and not (lasting and self.solver.normal(want).terms):
                self.bindings.setdefault(want.symbols[0], (edge.source, index, edge.reference))
                if lasting:
                    place = self.document.tree.place(edge.reference)
                    self.first_calls.setdefault(want.symbols[0], (place, ".".join(edge.source)))
        return Unfit(edge, tuple(indices), refused=refused) if indices else None
