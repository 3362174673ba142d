"""Pieces of graphs: each checked by itself, once for every choice of its parameters, before tasks use it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from composer.graph.checked import CheckedModule, Endpoint, UsedPiece
from composer.graph.expanding import Expansion
from composer.graph.piece_bodies import PieceBody, PieceNode, PieceUse
from composer.graph.piece_rounds import MOST_NODES, too_many, without_rounds
from composer.graph.tasks import TaskChecker
from composer.language import NodeShape, PieceShape, Resolved, TaskShape, removal, wrong_type
from composer.language.piece_parameters import IN_PORT_TYPE
from composer.plugin import ModuleType, NoConfig
from composer.problems import Note, Problem, YamlPath
from composer.problems.suggest import listed, suggest
from composer.types import Dim, Port, PortType, Signature, parse_port_type

if TYPE_CHECKING:
    from composer.graph.callees import Callees
    from composer.graph.edges import EdgeChecker

__all__ = ["Pieces"]


@dataclass
class Pieces:
    """The pieces of one document, as far as they are sound; the others are silenced, and so is what uses them."""

    callees: Callees
    new_edges: Callable[[], EdgeChecker]
    """What types the ports of one piece."""
    forget: Callable[[], None]
    """Called once a piece is typed: what was learnt of its symbols ends with it."""
    used: set[str] = field(default_factory=set)
    num_nodes: int = 0
    """Of all uses together."""
    _sizes: dict[str, int] = field(default_factory=dict)
    _made: dict[tuple[str, str], UsedPiece | None] = field(default_factory=dict)

    def check_all(self) -> None:
        """Check every piece with the defaults of its parameters, each after those that it uses."""
        document, findings = self.callees.document, self.callees.findings
        self._sizes = without_rounds(document.shape.pieces, document.tree, findings)
        for name in self._sizes:
            # Of a part that was not read, such as a list of nodes, it is unknown what uses would need.
            if self._of(name, {}, self.callees) is None or findings.is_silent_within(("pieces", name)):
                findings.silence(("pieces", name))

    def of(self, node: NodeShape, path: YamlPath) -> UsedPiece | None:
        """The piece that a node uses, with its arguments; None after reporting, or silently where it is faulty."""
        name, findings = str(node.piece), self.callees.findings
        if path[0] == "tasks":
            self.num_nodes += self._sizes.get(name, 0)
            if self.num_nodes > MOST_NODES:
                findings.add(too_many(name, self.callees.document.tree.place((*path, "piece"))), "C230")
                return None
        arguments = self._arguments(name, node, path)
        if arguments is None or findings.is_silent(("pieces", name)) or findings.touches(path):
            return None
        own, refusals = findings.scope(), self.callees.reader.refusals
        num_before = len(refusals)
        places = {f"{name}/{key}": (*path, "with", key) for key in arguments}
        silenced = findings.silenced()
        found = self._of(name, arguments, self._with_places(places))
        if found is None:
            findings.silence_only(silenced)  # other uses may give other values
            del refusals[num_before:]  # the line of a use is to blame, which speaks for itself alone
            note = Note(self.callees.document.tree.place(path, key=True), f"piece `{name}` is used here")
            for finding in own.told:
                finding.problem = replace(finding.problem, notes=(*finding.problem.notes, note))
        return found

    def warn_unused(self) -> None:
        """C229: pieces that nothing uses."""
        document = self.callees.document
        for name in document.shape.pieces:
            if name not in self.used:
                place = document.tree.place(("pieces", name), key=True)
                helps = (f"use it in a task (`{{piece: {name}, inputs: {{...}}}}`), or remove it",)
                problem = Problem("C229", "warning", f"piece `{name}` is never used", place, helps=helps)
                self.callees.findings.add(problem)

    def _arguments(self, name: str, node: NodeShape, path: YamlPath) -> dict[str, object] | None:
        """The values that a use gives to parameters, other than their defaults; None after reporting C103 or C105."""
        document, findings = self.callees.document, self.callees.findings
        tree, known = document.tree, document.shape.pieces[name].parameters
        own = findings.scope()
        for key, value in node.with_.items():
            where = (*path, "with", key)
            place = tree.place(where, key=True)
            if key not in known:
                if findings.touches(("pieces", name, "parameters")):
                    continue
                meant = suggest(key, known, place, coined=True, used=set(node.with_))
                helps = (*meant.helps, f"its parameters: {listed(key, known)}")
                message = f"piece `{name}` has no parameter `{key}`"
                gone = document.removed.get(("pieces", name, "parameters", key))
                if gone is not None:
                    message, notes, helps = removal(message, gone)
                    findings.add(Problem("C103", "error", message, place, "", notes, helps))
                else:
                    findings.add(Problem("C103", "error", message, place, helps=helps, fix=meant.fix))
                continue
            if value is None and findings.touches(path):
                continue  # a `$name` that stands for nothing
            declared = tree.place(("pieces", name, "parameters", key))
            problem = wrong_type(key, known[key], value, tree.place(where), declared)
            if problem is not None:
                findings.add(problem)
        if own.failed:
            return None
        return {key: value for key, value in node.with_.items() if key in known and value != known[key]}

    def _with_places(self, paths: Mapping[str, YamlPath]) -> Callees:
        """The callees, knowing that arguments come from the lines of a use."""
        if not paths:
            return self.callees
        reader, tree = self.callees.reader, self.callees.document.tree
        places = {**reader.parameter_places, **{key: tree.place(path) for key, path in paths.items()}}
        return replace(self.callees, reader=replace(reader, parameter_places=places))

    def _of(self, name: str, arguments: Mapping[str, object], callees: Callees) -> UsedPiece | None:
        key = (name, json.dumps(arguments, sort_keys=True, default=str))
        if key not in self._made:
            self._made[key] = self._checked(name, arguments, callees)
        return self._made[key]

    def _checked(self, name: str, arguments: Mapping[str, object], callees: Callees) -> UsedPiece | None:
        """Check a piece by itself, as far as the types of its inputs allow."""
        document = callees.document
        shape: PieceShape = document.shape.pieces[name]
        path: YamlPath = ("pieces", name)
        values = {**shape.parameters, **arguments}
        edges = self.new_edges()
        own = callees.findings.scope()
        ports = {
            port: self._port(port, text, (*path, "inputs", port), values)
            for port, text in shape.inputs.items()
        }
        known = {port: found for port, found in ports.items() if found is not None}
        nodes = {
            key: node.model_copy(update=_filled(node, document, values))
            if node.with_ or node.adapter
            else node
            for key, node in shape.nodes.items()
        }
        task = TaskShape.model_construct(summary=shape.summary, nodes=nodes, outputs=shape.outputs)
        checker = TaskChecker(name, task, callees, edges, callees.findings, path=path, ports=known)
        checked = checker.run()
        self.forget()
        if own.failed or not checked.ok:
            return None
        body = _body(checker, name, path, checked.outputs)
        if not self._shows_one_each(name, checked.outputs, known):
            return None
        gives = {port: checked.types.get(end) for port, end in checked.outputs.items()}
        outputs = {port: PortType(found.kind) for port, found in gives.items() if found is not None}
        module = CheckedModule(name, ModuleType(name, NoConfig, {}, "", shape.summary), NoConfig(), path)
        return UsedPiece(module, "", None, Signature(known, outputs), body)

    def _shows_one_each(self, name: str, outputs: Mapping[str, Endpoint], ports: Mapping[str, Port]) -> bool:
        """Whether each output is there whatever a use brings; False after reporting C232."""
        own = self.callees.findings.scope()
        for output, (shown, port) in outputs.items():
            if port == "" and (ports[shown].optional or ports[shown].many):
                from composer.graph.loose_inputs import loose_input

                what = "a list" if ports[shown].many else "what may be left out"
                place = self.callees.document.tree.place(("pieces", name, "outputs", output))
                message = f"output `{output}` gives one value, and shows `{shown}`, {what}"
                self.callees.findings.add(loose_input(message, shown, ports[shown], place))
        return not own.failed

    def _port(self, name: str, text: str, path: YamlPath, values: Mapping[str, object]) -> Port | None:
        """An input as it is declared; None after reporting C231 or C220."""
        found = self._port_type(name, text[:-1] if text.endswith(("?", "*")) else text, path, values)
        return None if found is None else Port(found, text.endswith("?"), text.endswith("*"))

    def _port_type(
        self, name: str, text: str, path: YamlPath, values: Mapping[str, object]
    ) -> PortType | None:
        callees = self.callees
        if callees.findings.is_silent(path):
            return None
        problem = None
        try:
            found = parse_port_type(IN_PORT_TYPE.sub(lambda m: self._size(m[0], values), text))
        except ValueError as error:
            problem = Problem("C231", "error", str(error), callees.document.tree.place(path))
        else:
            kind = callees.registry.kinds.get(found.kind)
            if kind is not None and not found.dims and "[" not in text:
                return PortType(found.kind, tuple(Dim.of(f"{name}.{dim}") for dim in kind.dims), found.role)
            if kind is not None and "+" not in found.role and len(kind.dims) == len(found.dims):
                return found
            problem = self._kind_fault(found, path)
        callees.findings.add(problem, ("piece port", path))
        callees.findings.silence(path)
        return None

    def _size(self, text: str, values: Mapping[str, object]) -> str:
        value = self.callees.document.filled(text, values)
        if type(value) is int:
            return str(value)
        raise ValueError(f"`{text}` is {value!r}, and a dimension is a whole number")

    def _kind_fault(self, port: PortType, path: YamlPath) -> Problem:
        kinds, place = self.callees.registry.kinds, self.callees.document.tree.place(path)
        if port.kind not in kinds:
            meant = suggest(port.kind, kinds, None)
            helps = (*meant.helps, f"registered kinds: {listed(port.kind, kinds)}")
            message = f"the port type {port} is not a registered kind"
        elif "+" in port.role:
            message, helps = f"the port type {port} joins roles, which outputs of signatures alone do", ()
        else:
            dims = kinds[port.kind].dims
            message = f"the port type {port} has {len(port.dims)} dims; its kind has {len(dims)}"
            helps = (f"its dims are {', '.join(dims) or 'none'}; `{port.kind}` alone leaves them open",)
        return Problem("C220", "error", message, place, helps=helps)


def _filled(node: NodeShape, document: Resolved, values: Mapping[str, object]) -> dict[str, object]:
    """What a node inside says with the piece's parameters filled in."""
    adapter = document.filled(node.adapter, values)
    return {
        "with_": document.filled(node.with_, values),
        "adapter": str(adapter) if adapter else None,
    }


def _body(
    checker: TaskChecker, name: str, path: YamlPath, outputs: Mapping[str, tuple[str, str]]
) -> PieceBody:
    expansion = checker.expansion or Expansion(checker)
    nodes = {
        key: PieceNode(
            checker.nodes[key][0],
            callee,
            checker.sources[key],
            checker.nodes[key][1],
            expansion.crossed.get(key, ()),
        )
        for key, callee in checker.resolved.items()
    }
    uses: dict[str, PieceUse] = expansion.uses
    return PieceBody(name, path, nodes, uses, outputs)
