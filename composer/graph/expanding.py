"""Expanding: the nodes of the pieces that a task uses take the places of the nodes that use them, called by path."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from composer.graph.checked import Callee, Endpoint, InPlace, UsedPiece, Wired, endpoints_of, text_of
from composer.graph.derivation import Owner
from composer.graph.fitting import Edge, Roles, local_type
from composer.graph.piece_bodies import PieceUse
from composer.graph.references import written_references
from composer.graph.wires import Wire, Wires
from composer.language import NodeShape
from composer.plugin import NoConfig
from composer.problems import Note, Problem, YamlPath

if TYPE_CHECKING:
    from composer.graph.tasks import TaskChecker

__all__ = ["Expansion"]

Given = dict[str, tuple[Endpoint, ...]]
"""Endpoints by input of a piece."""


@dataclass
class Expansion:
    """Expands the uses of one task, or of one piece that uses others."""

    checker: TaskChecker
    uses: dict[str, PieceUse] = field(default_factory=dict)
    crossed: dict[str, tuple[Endpoint, ...]] = field(default_factory=dict)
    """Node → the inputs of pieces that its values come through."""
    outer: dict[str, PieceUse] = field(default_factory=dict)
    """The uses that the task itself writes."""
    wires: Wires = field(default_factory=lambda: Wires((), ()))
    """Between what the task itself writes: a use reads all that its inputs are wired to."""
    held: dict[Endpoint, bool] = field(default_factory=dict)
    """Use and input → whether what comes in is what the piece declares."""
    roles: dict[str, Roles] = field(default_factory=dict)
    """Of each use."""
    written: dict[str, YamlPath] = field(default_factory=dict)
    """The nodes that the task itself writes, and where."""

    def run(self, wires: Wires) -> Wires:
        """Put the nodes of every use in its place; the wires between what there is then."""
        checker, self.wires = self.checker, wires
        written, resolved, sources = dict(checker.nodes), dict(checker.resolved), dict(checker.sources)
        for name, callee in resolved.items():
            if isinstance(callee, UsedPiece):
                node, path, _ = written[name]
                references = {r.port: r.path for r in written_references(node, path)}
                ends = {port: endpoints_of(wired) for port, wired in sources[name].items()}
                left_out = {
                    port: () for port, declared in callee.signature.inputs.items() if declared.optional
                }
                ends = {**left_out, **ends}
                self.outer[name] = PieceUse(name, callee, ends, path, references)
        self.written = {name: path for name, (_, path, _) in written.items()}
        checker.nodes.clear()
        checker.resolved.clear()
        checker.sources.clear()
        kept = [wire for wire in wires if wire.source not in self.outer and wire.target not in self.outer]
        added: list[Wire] = []
        for name, (node, path, training) in written.items():
            use = self.outer.get(name)
            if use is not None:
                self._put(use, training, added)
                continue
            checker.nodes[name] = (node, path, training)
            if name in resolved:
                checker.resolved[name] = resolved[name]
            checker.sources[name], crossed = self._wired(sources.get(name, {}))
            if crossed:
                self.crossed[name] = crossed
            references = {r.port: r.path for r in written_references(node, path)}
            for port, wired in sources.get(name, {}).items():
                where = references.get(port) or references.get(None) or path
                for old in endpoints_of(wired):
                    end = self.end(old) if old[0] in self.outer else None
                    if end is not None:
                        added.append(Wire(end[0], name, where, text_of(old)))
        return Wires(self.all_names, [*kept, *added])

    @property
    def all_names(self) -> tuple[str, ...]:
        """What wires lead between."""
        return (*self.checker.names, *(name for name in self.checker.nodes if "/" in name))

    def end(self, endpoint: Endpoint) -> Endpoint | None:
        """What an endpoint stands for: the port inside that an output of a use shows. None where nothing does."""
        found = self._followed(endpoint)
        return None if found is None else found[0]

    def _followed(self, endpoint: Endpoint) -> tuple[Endpoint, tuple[Endpoint, ...]] | None:
        """The same, with the inputs of pieces that were handed through on the way."""
        crossed: list[Endpoint] = []
        while endpoint[0] in self.outer:
            use = self.outer[endpoint[0]]
            shown = use.callee.body.outputs.get(endpoint[1])
            if shown is None:
                return None
            if shown[1]:
                return (f"{use.name}/{shown[0]}", shown[1]), tuple(reversed(crossed))
            through = (use.name, shown[0])
            if through in crossed:
                self._round(crossed[crossed.index(through) :])
                return None
            if shown[0] not in use.sources:
                return None
            crossed.append(through)
            (endpoint,) = use.sources[shown[0]]
        return endpoint, tuple(reversed(crossed))

    def _round(self, crossed: list[Endpoint]) -> None:
        """C210: uses that hand each other what comes from neither of them."""
        findings, names = self.checker.findings, [use for use, _ in crossed]
        use = self.outer[names[-1]]
        where = use.references.get(crossed[-1][1]) or use.references.get(None) or use.path
        message = f"these nodes wait for each other: {' → '.join([*names, names[0]])}"
        place = self.checker.callees.document.tree.place(where)
        findings.add(Problem("C210", "error", message, place), ("round", frozenset(crossed)))
        findings.silence(*(self.checker.names[name] for name in names))

    def _wired(self, sources: dict[str, Wired]) -> tuple[dict[str, Wired], tuple[Endpoint, ...]]:
        """Sources with every use replaced by what it shows, and the inputs of pieces on the way."""
        found: dict[str, Wired] = {}
        crossed: dict[Endpoint, None] = {}
        for port, wired in sources.items():
            ends = []
            for endpoint in endpoints_of(wired):
                followed = self._followed(endpoint)
                if followed is not None:
                    ends.append(followed[0])
                    crossed.update(dict.fromkeys(followed[1]))
            is_one = bool(wired) and isinstance(wired[0], str)
            if not is_one:
                found[port] = tuple(ends)
            elif ends:
                found[port] = ends[0]
        return found, tuple(crossed)

    def _put(self, use: PieceUse, training: bool, wires: list[Wire]) -> None:
        """Add the nodes of one use, with their wires."""
        checker, body = self.checker, use.callee.body
        own, before = self._given(use)
        self.uses[use.name] = replace(use, sources=own)
        for name, inner in body.uses.items():
            there = {
                port: self._outside(ends, use.name, own)
                for port, ends in inner.sources.items()
                if all(inside or end in own for end, inside in ends)
            }
            self.uses[f"{use.name}/{name}"] = replace(inner, name=f"{use.name}/{name}", sources=there)
        for name, node in body.nodes.items():
            full = f"{use.name}/{name}"
            crossed: dict[Endpoint, None] = {}
            sources: dict[str, Wired] = {}
            for port, wired in node.sources.items():
                found: list[Endpoint] = []
                for endpoint in endpoints_of(wired):
                    ends = self._outside((endpoint,), use.name, own)
                    where: YamlPath = (*node.path, "inputs", port)
                    if endpoint[1] == "":
                        crossed.update(dict.fromkeys((*before.get(endpoint[0], ()), (use.name, endpoint[0]))))
                        where = use.references.get(endpoint[0]) or use.references.get(None) or use.path
                    found += ends
                    wires += [Wire(end[0], full, where, text_of(endpoint)) for end in ends]
                if isinstance(wired[0], tuple):
                    sources[port] = tuple(found)
                elif found:
                    sources[port] = found[0]
            for used, port in node.crossed:
                for feeding in body.uses[used].sources.get(port, ()):
                    if feeding[1] == "":
                        crossed.update(dict.fromkeys((*before.get(feeding[0], ()), (use.name, feeding[0]))))
                crossed[f"{use.name}/{used}", port] = None
            checker.nodes[full] = (node.shape, node.path, training)
            checker.resolved[full] = _called(node.callee, full)
            checker.sources[full] = sources
            if crossed:
                self.crossed[full] = tuple(crossed)

    def _given(self, use: PieceUse) -> tuple[Given, Given]:
        """What a use brings to each input of its piece, and the inputs of other pieces that it was handed through."""
        own: Given = {}
        before: Given = {}
        for port, ends in use.sources.items():
            followed = [found for end in ends if (found := self._followed(end)) is not None]
            if len(followed) == len(ends):
                own[port] = tuple(end for end, _ in followed)
                before[port] = tuple(crossed for _, through in followed for crossed in through)
        return own, before

    def _outside(self, ends: tuple[Endpoint, ...], use: str, own: Given) -> tuple[Endpoint, ...]:
        """Endpoints inside of a use, as the task has them: an input of the piece is what the use brings."""
        found = [((f"{use}/{end}", port),) if port else own.get(end, ()) for end, port in ends]
        return tuple(end for group in found for end in group)

    def type_node(self, name: str, callee: Callee, add: Callable[[str, Callee], None]) -> None:
        """Type one node, once what comes through inputs of pieces is what these declare.

        A problem that stands inside of a piece gets notes of the lines that use it.
        """
        if not all(self._holds(use, port) for use, port in self.crossed.get(name, ())):
            return
        if "/" not in name:
            add(name, callee)
            return
        own = self.checker.findings.scope()
        add(name, callee)
        if own.failed:
            notes = tuple(self._users(name))
            for finding in own.told:
                finding.problem = replace(finding.problem, notes=(*finding.problem.notes, *notes))

    def hold_rest(self) -> None:
        """Hold what no node inside reads."""
        for name, use in self.uses.items():
            for port in use.sources:
                self._holds(name, port)

    def _holds(self, name: str, port: str) -> bool:
        """Whether what a use gives to a port of its piece is what the piece declares; each port is asked once."""
        if (name, port) not in self.held:
            self.held[name, port] = self._fits(self.uses[name], port)
        return self.held[name, port]

    def _fits(self, use: PieceUse, port: str) -> bool:
        edges, sources = self.checker.edges, use.sources.get(port)
        if not sources:
            return sources is not None  # it is left out
        ends = {end: given for end in sources if (given := edges.types.get(end)) is not None}
        if len(ends) < len(set(sources)):
            return False
        if use.name not in edges.owners:
            title = f"piece {use.callee.body.name}"
            edges.owners[use.name] = Owner(title, NoConfig(), lambda _: {}, use.path)
        declared = use.callee.signature.inputs[port].type
        edges.raw[use.name, f">{port}"] = declared
        wanted = edges.wanted[use.name, port] = local_type(declared, use.name, {})
        reference = use.references.get(port) or use.references.get(None) or use.path
        brought = [
            Edge(end, use.name, port, given, wanted, reference, use.path) for end, given in ends.items()
        ]
        return not edges.unfit(brought, use.callee, self.roles.setdefault(use.name, Roles()))

    def _users(self, name: str) -> Iterator[Note]:
        """The lines that use the pieces around a node, the outermost first."""
        *around, _ = name.split("/")
        for length in range(1, len(around) + 1):
            use = self.uses["/".join(around[:length])]
            place = self.checker.callees.document.tree.place(use.path, key=True)
            yield Note(place, f"piece `{use.callee.body.name}` is used here")

    def shown(self) -> dict[Endpoint, str]:
        """The ports inside of pieces that the task can name, with what it writes for them."""
        return {
            end: f"{name}.{port}"
            for name, use in self.outer.items()
            for port in use.callee.body.outputs
            if (end := self.end((name, port))) is not None and "/" in end[0]
        }

    def shapes(self) -> dict[str, NodeShape]:
        """The nodes as they are written, those inside of pieces by their paths."""
        return {name: node for name, (node, _, _) in self.checker.nodes.items()}


def _called(callee: Callee, name: str) -> Callee:
    """What a node calls; a module in place is called after its node."""
    if isinstance(callee, InPlace):
        return replace(callee, module=replace(callee.module, name=name))
    return callee
