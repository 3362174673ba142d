"""Edges: the type that a port offers against the type that the next one wants, and why they differ."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from composer.graph.alternatives import alternatives
from composer.graph.callees import Callee
from composer.graph.derivation import Derivation, Owner, first_cause, range_port
from composer.graph.explaining import TASK, Edge, Explainer, shown_dim
from composer.graph.faults import EdgeFaults
from composer.graph.fitting import Roles, Unfit, swapped_pair
from composer.graph.model import CheckedInput, Endpoint
from composer.graph.solver import Refused, Solver
from composer.graph.vocabularies import Carried, Vocabularies, entries_port
from composer.language import Resolved
from composer.plugin import Registry
from composer.plugin.answers import as_ports, as_ranges, as_signature
from composer.plugin.asking import ask
from composer.problems import Edit, Place, Problem
from composer.problems.suggest import Suggestion, listed, suggest
from composer.types import Dim, Kind, PortType, Signature, parse_dim

__all__ = ["EdgeChecker"]

Path = tuple[Any, ...]


@dataclass
class EdgeChecker:
    """Types the ports of one task in running order. A port whose type is unknown is absent from `types` and poisons."""

    document: Resolved
    registry: Registry
    solver: Solver
    problems: list[Problem]
    vocabularies: Vocabularies
    faults: EdgeFaults
    first_calls: dict[str, tuple[Place, str]] = field(default_factory=dict)
    """Module-wide symbol to the call that fixed it; shared between tasks."""
    types: dict[Endpoint, PortType] = field(default_factory=dict)
    wanted: dict[Endpoint, PortType] = field(default_factory=dict)
    owners: dict[str, Owner] = field(default_factory=dict)
    bindings: dict[str, tuple[Endpoint, int, Path]] = field(default_factory=dict)
    raw: dict[Endpoint, PortType] = field(default_factory=dict)
    carried: dict[Endpoint, Carried] = field(default_factory=dict)
    """The vocabulary whose ids a port carries, where that is known."""
    defaults: dict[str, tuple[CheckedInput, str, int]] = field(default_factory=dict)
    """Symbol of an input → the field that limits its size by default, and the limit."""
    misfits: set[str] = field(default_factory=set)
    """Nodes with an input that does not fit."""
    failed: bool = False
    """Whether an edge does not fit, be it told of here or with an earlier one that has the same cause."""

    @property
    def explainer(self) -> Explainer:
        return Explainer(self.document, self.registry)

    def add_input(self, item: CheckedInput) -> None:
        """The ports of a task input; its symbols are the task's free dimensions."""
        modality = item.modality

        def ranges(config: Any) -> Mapping[str, tuple[int, int]]:
            if modality.ranges is None:
                return {}
            return ask(modality.ranges, config, what=f"`ranges` of {modality.title}", accept=as_ranges)

        self.owners[item.name] = Owner(
            f"input {item.name}",
            item.config,
            lambda config: (
                ask(modality.ports, config, what=modality.title, accept=as_ports) | _bounds(ranges(config))
            ),
            item.path,
        )
        owner = TASK if modality.shares_symbols else item.name
        for symbol, bounds in ranges(item.config).items():
            cause = first_cause(self.owners[item.name], range_port(symbol), 1)
            written = cause is not None and self.document.tree.node((*item.path, "with", cause.field))
            if written is not None and cause is not None:
                self._limit(f"{symbol}@{owner}", bounds)
            else:  # a default is no statement of the author's: it gives way to what the modules take
                self.solver.ranges.setdefault(f"{symbol}@{owner}", bounds)
                self.defaults[f"{symbol}@{owner}"] = (item, "" if cause is None else cause.field, bounds[1])
        self.carried |= {(item.name, p): c for p, c in self.vocabularies.of_input(item).items()}
        for port, declared in item.ports.items():
            if self.known_kind(declared, item.path):
                self.raw[item.name, port] = declared
                local = self.types[item.name, port] = _local(declared, owner, {})
                batch = local.dims[0].symbols if local.dims else ()
                self.solver.rigid.update(s for dim in local.dims for s in dim.symbols if s not in batch)

    def add_node(
        self,
        name: str,
        callee: Callee,
        sources: Mapping[str, Any],
        path: Path,
        written: Mapping[str | None, Path],
    ) -> None:
        """Unify every wired input of a node, then give its outputs their types."""
        signature = callee.signature
        fixed = {symbol: f"{symbol}@@{callee.module.name}" for symbol in signature.fixed}
        self.owners[name] = self._owner(callee)
        taken = {s for port in signature.inputs.values() for d in port.type.dims for s in d.symbols}
        for symbol, bounds in signature.ranges.items():
            if symbol in taken:
                self.solver.ranges.setdefault(fixed.get(symbol, f"{symbol}@{name}"), bounds)
            else:  # a size that the node makes: what it promises, not what it asks for
                self._limit(f"{symbol}@{name}", bounds)
        poisoned = False
        read: dict[str, None] = {}
        edges: list[Edge] = []
        for port, declared in signature.inputs.items():
            self.raw[name, f">{port}"] = declared.type
            wanted = _local(declared.type, name, fixed)
            endpoints = sources.get(port)
            if endpoints is None:
                poisoned |= not declared.optional
                continue
            for endpoint in endpoints if declared.many else (endpoints,):
                reference = written.get(port) or written.get(None) or path
                given = self.types.get(endpoint)
                if given is None or not self.known_kind(wanted, path):
                    poisoned = True
                    continue
                edges.append(Edge(endpoint, name, port, given, wanted, reference, path))
            read.update(dict.fromkeys(symbol for dim in wanted.dims for symbol in dim.symbols))
        roles = Roles()
        unfit = [fault for edge in edges if (fault := self._unify(edge, roles)) is not None]
        if unfit:
            poisoned = self.failed = True
            self.misfits.add(name)
            self._report(unfit, callee, () if len(edges) < len(sources) else edges)
        for edge in edges:
            read_as = replace(edge.wanted, role=roles.given(edge.wanted.role))
            self.wanted[name, edge.port] = self._normal(read_as)
        if signature.vocabulary or callee.verb == "generate":
            bad = {fault.edge.port for fault in unfit}
            fitting = {port: source for port, source in sources.items() if port not in bad}
            poisoned |= not self._vocabularies(name, callee, fitting, written, path)
        for port, declared in signature.outputs.items():
            if self.known_kind(declared.type, path) and not poisoned:
                self.raw[name, port] = declared.type
                made = replace(_local(declared.type, name, fixed), role=roles.given(declared.type.role))
                self._make_sizes(made, read)
                self.types[name, port] = self._normal(made)

    def _make_sizes(self, given: PortType, read: Collection[str]) -> None:
        """Symbols that no input has stand for sizes that only the node knows: nothing else may be taken for them."""
        for symbol in (symbol for dim in given.dims for symbol in dim.symbols):
            if symbol not in read and "@@" not in symbol and symbol not in self.solver.made_from:
                sources = {s for other in read for s in self.solver.normal(Dim.of(other)).symbols}
                self.solver.make(symbol, sources)

    def beyond_defaults(self) -> Iterator[Problem]:
        """C225: inputs that may by default be larger than the modules take."""
        for symbol, (item, name, most) in self.defaults.items():
            taken = self.solver.ranges[symbol][1]
            if taken < most and symbol not in self.solver.solved:
                message = (
                    f"input `{item.name}` may be {most} long by default, and this task takes {taken} at most: "
                    "what is longer is refused when it comes"
                )
                place = self.document.tree.place((*item.path, "modality"))
                helps = (f"write `{name}: {taken}` in its `with`",) if name else ()
                yield Problem("C225", "warning", message, place, helps=helps)

    def _limit(self, symbol: str, bounds: tuple[int, int]) -> None:
        self.solver.ranges.setdefault(symbol, bounds)
        self.solver.limits.setdefault(symbol, bounds)

    def _vocabularies(
        self,
        name: str,
        callee: Callee,
        sources: Mapping[str, Any],
        written: Mapping[str | None, Path],
        path: Path,
    ) -> bool:
        """Hold the ids that come in against what the node knows, and say which ids go out."""
        fits = True
        if callee.verb == "generate" and callee.module.name in self.vocabularies.written:
            self.carried[name, "ids"] = self.vocabularies.written[callee.module.name]
        for port, entries in callee.signature.vocabulary.items():
            if port in callee.signature.outputs:
                source = self.carried.get(sources.get(str(entries), ()))
                if source is not None:
                    self.carried[name, port] = source
                continue
            endpoints = sources.get(port)
            known = self._entries(entries, name, callee)
            if endpoints is None or known is None:
                continue
            for endpoint in endpoints if callee.signature.inputs[port].many else (endpoints,):
                carried, given = self.carried.get(endpoint), self.types.get(endpoint)
                if carried is None or given is None:
                    continue
                reference = written.get(port) or written.get(None) or path
                edge = Edge(endpoint, name, port, given, given, reference, path)
                module = callee.module.name if callee.verb != "uses" else None
                fits &= self.vocabularies.reads(carried, known, edge, self.owners[name], module)
        return fits

    def _entries(self, entries: int | str, name: str, callee: Callee) -> int | None:
        """How many ids an input knows; None where nothing has settled it."""
        fixed = {symbol: f"{symbol}@@{callee.module.name}" for symbol in callee.signature.fixed}
        dim = self.solver.normal(_renamed(parse_dim(entries), name, fixed))
        return dim.constant if dim.is_number else None

    def normalised(self, types: Mapping[Endpoint, PortType]) -> dict[Endpoint, PortType]:
        """Types with everything that later edges taught about their symbols."""
        return {endpoint: self._normal(port) for endpoint, port in types.items()}

    def _owner(self, callee: Callee) -> Owner:
        module = callee.module
        if callee.verb == "generate":
            function = module.type.generation.signature  # type: ignore[union-attr]
        else:
            function = module.type.methods[callee.method].signature
        options = (callee.options,) if callee.options is not None else ()

        def ports(config: Any) -> dict[str, PortType]:
            accept = as_signature(config)
            signature = ask(function, config, *options, what=module.type.title, accept=accept)
            found = {name: port.type for name, port in signature.outputs.items()}
            found |= {f">{name}": port.type for name, port in signature.inputs.items()}
            return found | _bounds(signature.ranges) | _known(signature)

        return Owner(
            module.name if callee.verb != "uses" else module.type.id,
            module.config,
            ports,
            module.path,
            module.name,
        )

    def _normal(self, port: PortType) -> PortType:
        if not any(d.terms for d in port.dims):
            return port
        return replace(port, dims=tuple(self.solver.normal(d) for d in port.dims))

    def known_kind(self, port: PortType, path: Path) -> bool:
        """Whether a port type has a registered kind and as many dims; reports C220 where the kind was written."""
        kind = self.registry.kinds.get(port.kind)
        tree = self.document.tree
        is_written = tree.text((*path, "with", "kind")) == port.name  # the document says the kind itself
        fits = kind is not None and len(kind.dims) == len(port.dims)
        if kind is not None and is_written and not _holds_arrays(kind):
            self._no_array(port, path)
            return False
        if fits:
            return True
        fix: tuple[Edit, ...] = ()
        if is_written:
            has_dims = kind is not None and tree.node((*path, "with", "dims")) is not None
            place = tree.place((*path, "with", "dims" if has_dims else "kind"))
            meant = suggest(port.kind, self.registry.kinds, place) if kind is None else Suggestion()
            helps = list(meant.helps)
            helps.append(
                f"registered kinds: {listed(port.kind, self.registry.kinds)}"
                if kind is None
                else f"its dims are {', '.join(kind.dims) or 'none'}"
            )
            fix = () if port.role else meant.fix
        else:
            verb = next((v for v in ("uses", "call", "generate", "modality") if tree.node((*path, v))), None)
            place = tree.place((*path, verb) if verb else path)
            helps = ["this is a fault of the plugin that declares the port"]
        fault = (
            "is no registered kind"
            if kind is None
            else f"has {len(port.dims)} dims; its kind has {len(kind.dims)}"
        )
        self._add_once(
            Problem("C220", "error", f"the port type {port} {fault}", place, helps=tuple(helps), fix=fix)
        )
        return False

    def _no_array(self, port: PortType, path: Path) -> None:
        """C220: an input is an array per sample, and this kind is none."""
        place = self.document.tree.place((*path, "with", "kind"))
        kinds = self.registry.kinds
        arrays = [name for name, kind in kinds.items() if _holds_arrays(kind)]
        helps = [f"kinds that arrays have: {', '.join(arrays)}"]
        if not kinds[port.kind].dims:
            why = "is one number for the whole batch, and an input brings one array per sample"
            helps.insert(0, "for one number per sample write `kind: numbers` with `dims: [B]`")
        else:
            why = "holds no numbers, so no array is one"
            same = self.registry.modalities.get(port.kind)
            if same is not None:
                helps.insert(0, f"write `modality: {same.id}`, which reads it")
        self._add_once(
            Problem(
                "C220",
                "error",
                f"an array cannot be of kind {port.kind}: it {why}",
                place,
                helps=tuple(helps),
            )
        )

    def _add_once(self, problem: Problem) -> None:
        if problem not in self.problems:
            self.problems.append(problem)

    def _unify(self, edge: Edge, roles: Roles) -> Unfit | None:
        """Make both types of an edge equal; what does not fit of it, in all its dimensions."""
        given, wanted = edge.given, edge.wanted
        if not self._kind_fits(given.kind, wanted.kind):
            return Unfit(edge)
        role = roles.taken(wanted.role, given.role)
        if role is not None:
            return Unfit(replace(edge, wanted=replace(wanted, role=role)), is_role=True)
        indices: list[int] = []
        refused: Refused | None = None
        for index, (offer, want) in enumerate(zip(given.dims, wanted.dims, strict=True)):
            free = want.is_symbol and want.symbols[0] not in self.solver.solved
            lasting = free and "@@" in want.symbols[0]
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

    def _report(self, unfit: list[Unfit], callee: Callee, edges: Collection[Edge]) -> None:
        """Tell of the edges of one node that do not fit. `edges` are all of them, where all are known."""
        swapped = swapped_pair(unfit)
        for fault in unfit:
            edge = replace(
                fault.edge, given=self._normal(fault.edge.given), wanted=self._normal(fault.edge.wanted)
            )
            place = self.document.tree.place(edge.reference)
            if swapped is not None and fault is swapped[1]:
                continue  # told of with the first
            keys = self._keys(fault, edge)
            if self.faults.joins(keys, edge, place):
                continue
            hints = self._alternatives(callee, edges)
            if swapped is not None and fault is swapped[0]:
                hints = [f"`{edge.port}` and `{swapped[1].edge.port}` of `{edge.node}` are swapped", *hints]
            self.faults.add(keys, edge, self._problem(fault, edge, callee, hints))

    def _problem(self, fault: Unfit, edge: Edge, callee: Callee, hints: Sequence[str]) -> Problem:
        if not fault.indices:
            fitting = [
                f"{n}.{p}"
                for (n, p), t in self.types.items()
                if n != edge.node and self._fits(t, edge.wanted)
            ]
            return self.explainer.kinds(edge, fitting, hints)
        if fault.refused is not None and len(fault.indices) == 1:
            value, taken = fault.refused
            offered = self.solver.bounds(value)
            return self.explainer.sizes(fault.edge, fault.indices[0], self.derivation, offered, taken)
        for index in fault.indices:
            fixed = [s for s in fault.edge.wanted.dims[index].symbols if s in self.first_calls]
            if fixed:
                first = self.first_calls[fixed[0]]
                return self.explainer.calls(edge, index, self.derivation, callee.module.name, first)
        return self.explainer.dimensions(edge, fault.indices, self.derivation, hints)

    def _keys(self, fault: Unfit, edge: Edge) -> list[Hashable]:
        """What the fault comes from. Two faults with a key in common are one."""
        source, node = (edge.reference[:2], edge.source), (edge.reference[:2], edge.node, edge.port)
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
            self.document.tree,
            self.owners,
            self.bindings,
            lambda n, p: self.raw.get((n, p)),
            self.solver.made_from,
        )

    def _alternatives(self, callee: Callee, edges: Collection[Edge]) -> list[str]:
        """Other methods of the module, or other types in its place, that take what the node is given."""
        return [] if not edges else alternatives(callee, list(edges), self.registry, self._all_fit)

    def _all_fit(self, pairs: Iterable[tuple[PortType, PortType]]) -> bool:
        """Whether types that are given would fit those of a signature, all together. Nothing is kept of it."""
        roles = Roles()
        with self.solver.trial():
            return all(
                self._fits(given, wanted)
                and roles.taken(wanted.role, given.role) is None
                and all(map(self.solver.unify, given.dims, _local(wanted, "?", {}).dims))
                for given, wanted in pairs
            )

    def _fits(self, given: PortType, wanted: PortType) -> bool:
        """Whether the kinds go together, and the roles where both have one."""
        named = not (wanted.has_open_role or not given.role or not wanted.role)
        return self._kind_fits(given.kind, wanted.kind) and not (named and given.role != wanted.role)

    def _kind_fits(self, given: str, wanted: str) -> bool:
        seen: str | None = given
        while seen is not None:
            if seen == wanted:
                return True
            kind = self.registry.kinds.get(seen)
            seen = kind.parent if kind is not None else None
        return False


def _bounds(ranges: Mapping[str, tuple[int, int]]) -> dict[str, PortType]:
    """Ranges as ports of an `Owner`, so that the config field behind one can be asked for."""
    return {range_port(symbol): PortType("scalar", tuple(map(Dim, ends))) for symbol, ends in ranges.items()}


def _known(signature: Signature) -> dict[str, PortType]:
    return {
        entries_port(port): PortType("labels", (Dim(entries),))
        for port, entries in signature.vocabulary.items()
        if isinstance(entries, int)
    }


def _holds_arrays(kind: Kind) -> bool:
    """Whether each sample of a kind can be given as an array: it has a batch, and numbers in it."""
    return bool(kind.dims) and all(found.dtype != "object" for found in kind.fields.values())


def _local(port: PortType, owner: str, fixed: Mapping[str, str]) -> PortType:
    """The port type with its symbols made the owner's own (`N@frames`) or the module's (`D@@projection`)."""
    if not any(d.terms for d in port.dims):
        return port
    return replace(port, dims=tuple(_renamed(d, owner, fixed) for d in port.dims))


def _renamed(dim: Dim, owner: str, fixed: Mapping[str, str]) -> Dim:
    if not dim.terms:
        return dim
    return dim.renamed(lambda symbol: fixed.get(symbol) or f"{symbol}@{owner}")
