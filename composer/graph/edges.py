"""Edges: the type that a port offers against the type that the next one wants, and why they differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from composer.graph.adapters import adapter_for, insert_adapter
from composer.graph.callees import Callee
from composer.graph.derivation import Cause, Derivation, Owner
from composer.graph.model import CheckedInput, Endpoint
from composer.graph.solver import Solver
from composer.language import Resolved, nearest, rename_fix
from composer.plugin import Registry
from composer.problems import Edit, Note, Place, Problem
from composer.types import Dim, Port, PortType

__all__ = ["EdgeChecker"]

Path = tuple[Any, ...]


@dataclass
class EdgeChecker:
    """Types the ports of one task in running order. A port whose type is unknown is absent from `types` and poisons."""

    document: Resolved
    registry: Registry
    solver: Solver
    problems: list[Problem]
    first_calls: dict[str, tuple[Place, str]] = field(default_factory=dict)
    """Module-wide symbol to the call that fixed it; shared between tasks."""
    types: dict[Endpoint, PortType] = field(default_factory=dict)
    wanted: dict[Endpoint, PortType] = field(default_factory=dict)
    owners: dict[str, Owner] = field(default_factory=dict)
    bindings: dict[str, tuple[Endpoint, int, Path]] = field(default_factory=dict)
    raw: dict[Endpoint, PortType] = field(default_factory=dict)

    def add_input(self, item: CheckedInput) -> None:
        """The ports of a task input; its symbols are the task's free dimensions."""
        modality = item.modality
        self.owners[item.name] = Owner(
            f"input {item.name}",
            item.config,
            lambda c: {n: Port.of(p).type for n, p in modality.ports(c).items()},
            item.path,
        )
        for port, declared in item.ports.items():
            if self.known_kind(declared, item.path):
                self.raw[item.name, port] = declared
                self.types[item.name, port] = _local(declared, item.name, {})

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
        for symbol, bounds in signature.ranges.items():
            self.solver.ranges.setdefault(fixed.get(symbol, f"{symbol}@{name}"), bounds)
        poisoned = False
        for port, declared in signature.inputs.items():
            self.raw[name, f">{port}"] = declared.type
            wanted = _local(declared.type, name, fixed)
            endpoints = sources.get(port)
            if endpoints is None:
                poisoned |= not declared.optional
                continue
            for endpoint in endpoints if declared.many else (endpoints,):
                reference = written.get(port) or written.get(None) or path
                fine = self._unify(name, port, endpoint, wanted, reference, path, callee)
                poisoned |= not fine
            self.wanted[name, port] = self._normal(wanted)
        for port, declared in signature.outputs.items():
            if self.known_kind(declared.type, path) and not poisoned:
                self.raw[name, port] = declared.type
                self.types[name, port] = self._normal(_local(declared.type, name, fixed))

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
            return found | {f">{name}": port.type for name, port in signature.inputs.items()}

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
            guess = nearest(port.kind, list(self.registry.kinds)) if kind is None else None
            helps = [f"did you mean `{guess}`?"] if guess else []
            helps.append(
                f"registered kinds: {', '.join(self.registry.kinds)}"
                if kind is None
                else f"its dims are {', '.join(kind.dims) or 'none'}"
            )
            fix = rename_fix(place, guess) if guess else ()
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

    def _unify(
        self,
        node: str,
        port: str,
        endpoint: Endpoint,
        wanted: PortType,
        reference: Path,
        path: Path,
        callee: Callee,
    ) -> bool:
        given = self.types.get(endpoint)
        if given is None or not self.known_kind(wanted, path):
            return False
        if not self._kind_fits(given.kind, wanted.kind):
            self._kind_problem(node, port, endpoint, given, wanted, reference, path)
            return False
        for index, (offer, want) in enumerate(zip(given.dims, wanted.dims, strict=True)):
            free = want.is_symbol and want.symbols[0] not in self.solver.solved
            if not self.solver.unify(offer, want):
                self._mismatch(node, port, endpoint, given, wanted, index, reference, path, callee)
                return False
            lasting = "@@" in want.symbols[0] if free else False
            if free and not (lasting and self.solver.normal(want).terms):
                self.bindings.setdefault(want.symbols[0], (endpoint, index, reference))
                if lasting:
                    place = self.document.tree.place(reference)
                    self.first_calls.setdefault(want.symbols[0], (place, f"{endpoint[0]}.{endpoint[1]}"))
        return True

    def _kind_fits(self, given: str, wanted: str) -> bool:
        seen: str | None = given
        while seen is not None:
            if seen == wanted:
                return True
            kind = self.registry.kinds.get(seen)
            seen = kind.parent if kind is not None else None
        return False

    def _kind_problem(
        self,
        node: str,
        port: str,
        endpoint: Endpoint,
        given: PortType,
        wanted: PortType,
        reference: Path,
        path: Path,
    ) -> None:
        shown, asked = _shown(given), _shown(self._normal(wanted))
        message = f"{'.'.join(endpoint)} is {given.kind}, and {node}.{port} takes {wanted.kind}"
        helps, fix = self._adapter_help(given, wanted, path, reference)
        same = [
            f"{n}.{p}"
            for (n, p), t in self.types.items()
            if self._kind_fits(t.kind, wanted.kind) and n != node
        ]
        if same:
            helps.insert(0, f"ports of kind {wanted.kind} before this node: {', '.join(same[:6])}")
        place = self.document.tree.place(reference)
        label = f"{shown} does not fit {asked}"
        self.problems.append(Problem("C202", "error", message, place, label, helps=tuple(helps), fix=fix))

    def _mismatch(
        self,
        node: str,
        port: str,
        endpoint: Endpoint,
        given: PortType,
        wanted: PortType,
        index: int,
        reference: Path,
        path: Path,
        callee: Callee,
    ) -> None:
        tree = self.document.tree
        offer, want = self.solver.normal(given.dims[index]), self.solver.normal(wanted.dims[index])
        module_wide = [s for s in wanted.dims[index].symbols if "@@" in s and s in self.first_calls]
        kind = self.registry.kinds[given.kind]
        dim_name = f"{given.kind} {kind.dims[index]}"
        derivation = Derivation(tree, self.owners, self.bindings, lambda n, p: self.raw.get((n, p)))
        notes: list[Note] = []
        helps: list[str] = []
        sides = (
            (derivation.causes(endpoint[0], endpoint[1], index), want),
            (derivation.causes(node, f">{port}", index), offer),
        )
        for causes, target in sides:
            for cause in causes[:3]:
                new = (
                    [cause]
                    if isinstance(cause, Note)
                    else list(cause.note(tree, self.document.parameter_places, dim_name))
                )
                notes.extend(n for n in new if n not in notes and n.place != tree.place(reference))
                if isinstance(cause, Cause) and target.is_number:
                    helps.extend(self._value_help(cause, target.constant))
        adapter_helps, fix = self._adapter_help(self._normal(given), self._normal(wanted), path, reference)
        shown, asked = _shown(self._normal(given)), _shown(self._normal(wanted))
        place = tree.place(reference)
        if module_wide:
            first_place, first = self.first_calls[module_wide[0]]
            widths = f"{_text(want)} by {first}, {_text(offer)} here"
            message = f"module `{callee.module.name}` is called with two incompatible widths: {widths}"
            notes = [Note(first_place, f"{first} fixes the {kind.dims[index]} at {want}"), *notes]
            helps.append("declare a second module for the second width, or bring both callers to one width")
            code = "C211"
        else:
            edge = f"{'.'.join(endpoint)} → {node}.{port}"
            message = f"dimension mismatch on {edge}: {kind.dims[index]} {_text(offer)} ≠ {_text(want)}"
            code = "C203"
        helps = list(dict.fromkeys([*helps[:3], *adapter_helps]))
        label = f"{shown} does not fit {asked}"
        self.problems.append(
            Problem(code, "error", message, place, label, tuple(notes[:6]), tuple(helps), fix)
        )

    def _value_help(self, cause: Cause, target: int) -> list[str]:
        value = cause.value_for(target)
        if value is None:
            return []
        where = (*cause.owner.path, "with", cause.field)
        text = self.document.tree.text(where)
        name = (
            f"{cause.owner.title}: {cause.field}"
            if " " in cause.owner.title
            else f"{cause.owner.title}.{cause.field}"
        )
        through = f" (it reads {text})" if text is not None and text.startswith("$") else ""
        return [f"set {name} to {value}{through}"]

    def _adapter_help(
        self, given: PortType, wanted: PortType, path: Path, reference: Path
    ) -> tuple[list[str], tuple[Edit, ...]]:
        found = adapter_for(self.registry, given, wanted)
        if found is None:
            return [], ()
        entry, config = found
        place = self.document.tree.place(reference)
        text = self.document.sources.get(place.file, "")
        edits = insert_adapter(self.document.tree, text, entry, config, path, reference)
        change = " → ".join(str(v) for v in config.values())
        return [
            f"or add `{entry.id}` ({change}) between them" + ("; `--fix` does it" if edits else "")
        ], edits


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


def _text(dim: Dim) -> str:
    """A dimension for people: the owner of a symbol is dropped."""
    return str(Dim(dim.constant, tuple((s.partition("@")[0], c) for s, c in dim.terms)))


def _shown(port: PortType) -> str:
    return f"{port.kind}[{', '.join(map(_text, port.dims))}]" if port.dims else port.kind
