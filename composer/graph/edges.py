"""Edges: the type that a port offers against the type that the next one wants, and why they differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from composer.graph.callees import Callee
from composer.graph.derivation import Derivation, Owner, first_cause, range_port
from composer.graph.explaining import TASK, Edge, Explainer
from composer.graph.model import CheckedInput, Endpoint
from composer.graph.solver import Solver
from composer.graph.vocabularies import Carried, Vocabularies, entries_port
from composer.language import Resolved
from composer.plugin import Registry
from composer.problems import Edit, Place, Problem
from composer.problems.suggest import Suggestion, listed, suggest
from composer.types import Dim, Port, PortType, Signature, parse_dim

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

    @property
    def explainer(self) -> Explainer:
        return Explainer(self.document, self.registry)

    def add_input(self, item: CheckedInput) -> None:
        """The ports of a task input; its symbols are the task's free dimensions."""
        modality = item.modality
        ranges = modality.ranges if modality.ranges is not None else lambda config: {}
        self.owners[item.name] = Owner(
            f"input {item.name}",
            item.config,
            lambda c: {n: Port.of(p).type for n, p in modality.ports(c).items()} | _bounds(ranges(c)),
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
        unfit: set[str] = set()
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
                edge = Edge(endpoint, name, port, given, wanted, reference, path)
                if not self._unify(edge, callee):
                    poisoned = True
                    unfit.add(port)
            self.wanted[name, port] = self._normal(wanted)
        if signature.vocabulary or callee.verb == "generate":
            fitting = {port: source for port, source in sources.items() if port not in unfit}
            poisoned |= not self._vocabularies(name, callee, fitting, written, path)
        for port, declared in signature.outputs.items():
            if self.known_kind(declared.type, path) and not poisoned:
                self.raw[name, port] = declared.type
                self.types[name, port] = self._normal(_local(declared.type, name, fixed))

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
            signature = function(config, *options)
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
        return PortType(port.kind, tuple(self.solver.normal(d) for d in port.dims))

    def known_kind(self, port: PortType, path: Path) -> bool:
        """Whether a port type has a registered kind and as many dims; reports C220 where the kind was written."""
        kind = self.registry.kinds.get(port.kind)
        if kind is not None and len(kind.dims) == len(port.dims):
            return True
        tree = self.document.tree
        fix: tuple[Edit, ...] = ()
        if tree.text((*path, "with", "kind")) == port.kind:  # the document says the kind itself
            place = tree.place((*path, "with", "kind" if kind is None else "dims"))
            meant = suggest(port.kind, self.registry.kinds, place) if kind is None else Suggestion()
            helps = list(meant.helps)
            helps.append(
                f"registered kinds: {listed(port.kind, self.registry.kinds)}"
                if kind is None
                else f"its dims are {', '.join(kind.dims) or 'none'}"
            )
            fix = meant.fix
        else:
            verb = next((v for v in ("uses", "call", "generate", "modality") if tree.node((*path, v))), None)
            place = tree.place((*path, verb) if verb else path)
            helps = ["this is a fault of the plugin that declares the port"]
        fault = (
            "is no registered kind"
            if kind is None
            else f"has {len(port.dims)} dims; its kind has {len(kind.dims)}"
        )
        problem = Problem(
            "C220", "error", f"the port type {port} {fault}", place, helps=tuple(helps), fix=fix
        )
        if problem not in self.problems:
            self.problems.append(problem)
        return False

    def _unify(self, edge: Edge, callee: Callee) -> bool:
        given, wanted = edge.given, edge.wanted
        if not self._kind_fits(given.kind, wanted.kind):
            known = self.types.items()
            fitting = [
                f"{n}.{p}" for (n, p), t in known if self._kind_fits(t.kind, wanted.kind) and n != edge.node
            ]
            normal = replace(edge, wanted=self._normal(wanted))
            self.problems.append(self.explainer.kinds(normal, fitting))
            return False
        for index, (offer, want) in enumerate(zip(given.dims, wanted.dims, strict=True)):
            free = want.is_symbol and want.symbols[0] not in self.solver.solved
            lasting = free and "@@" in want.symbols[0]
            # what a module's weights fix is a number, so the caller's own dimension cannot stand for it
            chosen = lasting and not self.solver.rigid.isdisjoint(self.solver.normal(offer).symbols)
            if chosen or not self.solver.unify(offer, want):
                self._mismatch(edge, index, callee)
                return False
            if free and not (lasting and self.solver.normal(want).terms):
                self.bindings.setdefault(want.symbols[0], (edge.source, index, edge.reference))
                if lasting:
                    place = self.document.tree.place(edge.reference)
                    self.first_calls.setdefault(want.symbols[0], (place, ".".join(edge.source)))
        return True

    def _mismatch(self, edge: Edge, index: int, callee: Callee) -> None:
        derivation = Derivation(
            self.document.tree, self.owners, self.bindings, lambda n, p: self.raw.get((n, p))
        )
        fixed = [s for s in edge.wanted.dims[index].symbols if s in self.first_calls]
        known = replace(edge, given=self._normal(edge.given), wanted=self._normal(edge.wanted))
        if self.solver.refused is not None:
            value, (low, high) = self.solver.refused
            offered = self.solver.bounds(value)
            problem = self.explainer.sizes(edge, index, derivation, offered, (low, high))
        elif fixed:
            first = self.first_calls[fixed[0]]
            problem = self.explainer.calls(known, index, derivation, callee.module.name, first)
        else:
            problem = self.explainer.dimensions(known, index, derivation)
        self.problems.append(problem)

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


def _local(port: PortType, owner: str, fixed: Mapping[str, str]) -> PortType:
    """The port type with its symbols made the owner's own (`N@frames`) or the module's (`D@@projection`)."""
    if not any(d.terms for d in port.dims):
        return port
    return PortType(port.kind, tuple(_renamed(d, owner, fixed) for d in port.dims))


def _renamed(dim: Dim, owner: str, fixed: Mapping[str, str]) -> Dim:
    if not dim.terms:
        return dim
    terms = ((fixed.get(s) or f"{s}@{owner}", c) for s, c in dim.terms)
    return Dim(dim.constant, tuple(sorted(terms)))
