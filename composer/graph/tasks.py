"""One task, or a piece by itself, proven: references resolved, cycles found, kinds and dimensions unified."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from composer.graph.callees import Callees
from composer.graph.checked import (
    Callee,
    CheckedEvaluation,
    CheckedInput,
    CheckedNode,
    CheckedTask,
    Endpoint,
    Generate,
    Read,
    UsedPiece,
    Wired,
)
from composer.graph.declared_inputs import declared_input
from composer.graph.edges import EdgeChecker
from composer.graph.fitting import shown
from composer.graph.node_inputs import NodeInputs
from composer.graph.references import References, written_references
from composer.graph.task_warnings import warn_beyond_defaults, warn_unused
from composer.graph.wires import Wire, Wires
from composer.language import InputShape, NodeShape, TaskShape
from composer.problems import Findings, Problem, Scope, YamlPath
from composer.types import Dim, Port, PortType

if TYPE_CHECKING:
    from composer.graph.expanding import Expansion

__all__ = ["TaskChecker"]


@dataclass
class TaskChecker:
    """Checks one task, or a piece by itself. `run` gives the typed task as far as it is known.

    An input or node with a fault is silenced: it has no outputs, and nothing is told of what reads it.
    """

    name: str
    shape: TaskShape
    callees: Callees
    edges: EdgeChecker
    findings: Findings
    path: YamlPath = ()
    """Where it is written."""
    ports: Mapping[str, Port] = field(default_factory=dict)
    """The inputs of a piece, as it declares them; the others are faulty."""
    expansion: Expansion | None = None
    """Where the task uses pieces: what became of the nodes that do."""
    inputs: dict[str, CheckedInput] = field(default_factory=dict)
    nodes: dict[str, tuple[NodeShape, YamlPath, bool]] = field(default_factory=dict)
    resolved: dict[str, Callee] = field(default_factory=dict)
    names: dict[str, YamlPath] = field(default_factory=dict)
    """Every input and node of the task and its objective, those that could not be read included."""
    outputs: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """The output ports of inputs and nodes that are known."""
    sources: dict[str, dict[str, Wired]] = field(default_factory=dict)
    misfits: set[str] = field(default_factory=set)
    """Nodes that are given what they do not take, or are not given what they need."""

    def __post_init__(self) -> None:
        self.path = self.path or ("tasks", self.name)

    def run(self) -> CheckedTask:
        own, path = self.findings.scope(), self.path
        if not self.shape.outputs:
            from composer.graph.empty_tasks import tell_empty

            tell_empty(self)
            if self.callees.document.tree.inherited_like(path) is not None:
                return self._task(Wires((), ()), [], {}, None, ok=False)  # it stands for another task
        self._declare_all(path)
        self.references = self._references(path)
        wires = self._expanded(self._wire())
        order = self._order(wires)
        self._type_all(order)
        outputs = self._outputs(path)
        loss = self._loss(path)
        self.references.settle(self._follows)
        self._check_objective(wires, loss, own)
        evaluation = self._evaluation(outputs)
        if not own.failed:
            warn_unused(self, wires)
        if self.shape.compile.ranges or self.shape.compile.precisions:
            from composer.graph.compile_options import check_compile

            self.findings.extend(check_compile(self))
        if not own.failed:
            warn_beyond_defaults(self)
        ok = not own.failed and bool(self.shape.outputs) and not any(map(self.is_silent, self.names))
        return self._task(wires, order, outputs, loss, evaluation, ok=ok)

    def _declare_all(self, path: YamlPath) -> None:
        """Read the inputs and nodes of the task and of its objective."""
        for name, port in self.ports.items():
            self.names[name] = (*path, "inputs", name)
            self.outputs[name] = ("",)
            self.edges.add_port(name, port)
        self._declare(path, self.shape.inputs, self.shape.nodes, training=False)
        objective = self.shape.objective
        if objective is not None:
            self._declare((*path, "objective"), objective.inputs, objective.nodes, training=True)
        if self._is_incomplete(path):
            self.findings.doubt(path)

    def _references(self, path: YamlPath) -> References:
        """What a name that is written may stand for."""
        document = self.callees.document
        training = {name for name, (_, _, own) in self.nodes.items() if own}
        training |= {name for name, item in self.inputs.items() if item.training}
        callers: dict[str, list[str]] = {}
        for name, (node, _, _) in self.nodes.items():
            callers.setdefault(str(node.call or node.generate).partition(".")[0], []).append(name)
        read = {
            reference.text.partition(".")[0]
            for node, where, _ in self.nodes.values()
            for reference in written_references(node, where)
        }
        names, outputs = self.names, self.outputs
        return References(
            document.tree, self.findings, path, names, outputs, training, callers, read, document.removed
        )

    def _expanded(self, wires: Wires) -> Wires:
        """The wires with the nodes of pieces in the place of those that use them."""
        if not any(isinstance(callee, UsedPiece) for callee in self.resolved.values()):
            return wires
        from composer.graph.expanding import Expansion

        self.expansion = Expansion(self)
        self.edges.shown = self.expansion.shown
        return self.expansion.run(wires)

    def _check_objective(self, wires: Wires, loss: Endpoint | None, own: Scope) -> None:
        if self.shape.objective is None:
            return
        from composer.graph.objectives import check_objective

        check_objective(self, self.shape.objective, wires, loss, own)
        if any(item.classes is not None for item in self.inputs.values()):
            from composer.graph.class_names import check_class_names

            check_class_names(self)

    def _task(
        self,
        wires: Wires,
        order: list[str],
        outputs: dict[str, Endpoint],
        loss: Endpoint | None,
        evaluation: CheckedEvaluation | None = None,
        *,
        ok: bool,
    ) -> CheckedTask:
        known = [name for name in order if name in self.resolved]
        return CheckedTask(
            name=self.name,
            summary=self.shape.summary,
            wires=wires,
            inputs=self.inputs,
            nodes={name: self._checked(name) for name in known},
            order=known,
            outputs=outputs,
            loss=loss,
            types=self.edges.normalised(self.edges.types),
            wanted=self.edges.normalised(self.edges.wanted),
            ranges=dict(self.edges.solver.ranges),
            compile=self.shape.compile,
            evaluation=evaluation,
            on_host=frozenset(name for name in known if self.is_on_host(self.resolved[name])),
            uses={} if self.expansion is None else self.expansion.uses,
            ok=ok,
        )

    def _checked(self, name: str) -> CheckedNode:
        callee = self.resolved[name]
        _, path, training = self.nodes[name]
        return CheckedNode(
            name,
            callee,
            self.sources[name],
            path,
            training,
        )

    def is_on_host(self, callee: Callee) -> bool:
        """Whether what a node calls takes or gives what no tensor holds; a search does both at its ends.

        What is read as a modality is, whatever it takes: its processor knows no tensors.
        """
        if isinstance(callee, Read):
            return True
        signature, kinds = callee.signature, self.callees.registry.kinds
        ports = (*signature.inputs.values(), *signature.outputs.values())
        found = (kinds.get(port.type.kind) for port in ports)
        return not isinstance(callee, Generate) and any(
            kind is not None and kind.has_objects for kind in found
        )

    def is_silent(self, name: str) -> bool:
        """Whether an input or node of the task has a fault of its own."""
        outer = name.partition("/")[0]
        return outer in self.names and self.findings.is_silent(self.names[outer])

    def lacks_types(self, name: str) -> bool:
        """Whether an input or node has a fault, or reads something that has one, so that little is known of it."""
        callee = self.resolved.get(name)
        ports = () if callee is None else callee.signature.outputs
        return self.is_silent(name) or any((name, port) not in self.edges.types for port in ports)

    def _is_incomplete(self, path: YamlPath) -> bool:
        """Whether the inputs or nodes could not be read, or may stand under a misspelt key."""
        keys = set(self.findings.silent_keys(path))
        sections = {"inputs", "nodes"}
        absent = {name for name in sections if self.callees.document.tree.node((*path, name)) is None}
        return bool(keys & sections) or bool(
            absent and keys - {"outputs", "objective", "evaluation", "compile", "summary"}
        )

    def _declare(
        self,
        path: YamlPath,
        inputs: Mapping[str, InputShape],
        nodes: Mapping[str, NodeShape],
        *,
        training: bool,
    ) -> None:
        for section in ("inputs", "nodes"):
            where = (*path, section)
            self.names |= {str(key): (*where, key) for key in self.findings.silent_keys(where)}
        for name, item in inputs.items():
            where = (*path, "inputs", name)
            self.names.setdefault(name, where)  # a name that is taken twice means neither
            declared = declared_input(self, name, item, where, training=training)
            if declared is None:
                self.findings.silence(where)
            else:
                self.inputs[name] = declared
                self.outputs[name] = tuple(declared.ports)
        for name, node in nodes.items():
            where = (*path, "nodes", name)
            self.names.setdefault(name, where)
            self.nodes[name] = (node, where, training)
            callee = self.callees.of(node, where)
            if callee is None:
                self.findings.silence(where)
            elif not self.is_silent(name):
                self.resolved[name] = callee
                ports = callee.body if isinstance(callee, UsedPiece) else callee.signature
                self.outputs[name] = tuple(ports.outputs)

    def _wire(self) -> Wires:
        """Every reference that names something."""
        wires: list[Wire] = []
        document, findings = self.callees.document, self.findings
        inputs = NodeInputs(
            document, findings, self.inputs, self.nodes, self.resolved, self.misfits, self.ports
        )
        for name, (node, path, training) in self.nodes.items():
            callee = self.resolved.get(name)
            wired: dict[str, Wired | None] = {}
            for reference in written_references(node, path):
                source = reference.text.partition(".")[0]
                endpoint = self.references.resolve(reference.text, reference.path, training=training)
                if source in self.names and (training or source not in self.references.training):
                    wires.append(Wire(source, name, reference.path, reference.text))
                if callee is not None:
                    inputs.connect(wired, callee, reference, endpoint, path)
            if callee is not None:
                inputs.missing(wired, callee, node, path)
                inputs.left_out(wired, callee, path)
            self.sources[name] = {p: e for p, e in wired.items() if e is not None}
        return Wires(self.names, wires)

    def _follows(self, name: str, port: str) -> bool:
        """Whether a node lacks an output because it calls the wrong method, which its inputs have told already."""
        callee = self.resolved.get(name)
        if callee is None or name not in self.misfits | self.edges.misfits:
            return False
        from composer.graph.wiring import other_methods

        return any(port in signature.outputs for _, signature in other_methods(callee))

    def _order(self, wires: Wires) -> list[str]:
        """The nodes in running order; ties are broken as the author wrote them."""
        rank = {name: index for index, name in enumerate((*self.inputs, *self.nodes, *self.names))}
        if self.expansion is not None:  # what is inside of pieces has a place among the nodes alone
            rank |= {name: index for index, name in enumerate((*self.inputs, *self.nodes))}
        order = wires.order(rank.__getitem__)
        if order is not None:
            return [name for name in order if name in self.nodes]
        from composer.graph.circles import circles

        for circle in circles(wires, rank, self.callees.document.tree):
            self.findings.add(circle.problem)
            self.findings.silence(*(self.names[name.partition("/")[0]] for name in circle.names))
        return [name for name in self.nodes if not self.is_silent(name)]

    def _type_all(self, order: list[str]) -> None:
        followers = [item for item in self.inputs.values() if item.modality.follows is not None]
        for item in self.inputs.values():
            if item.modality.follows is None:
                self.edges.add_input(item)
        for item in followers:
            from composer.graph.following import follows

            if follows(self, item):
                self.edges.add_input(item)
        for name in order:
            callee = self.resolved.get(name)
            if isinstance(callee, Generate) and self.nodes[name][2]:
                continue  # what an objective may not do (C223) has no types: nothing follows from it
            if callee is not None and not self.is_silent(name):
                if self.expansion is None:
                    self._type(name, callee)
                else:
                    self.expansion.type_node(name, callee, self._type)
        if self.expansion is not None:
            self.expansion.hold_rest()

    def _type(self, name: str, callee: Callee) -> None:
        if isinstance(callee, Read) and callee.counted:
            from composer.graph.following import lacks_items

            if lacks_items(self, name, callee):
                return
        written = {r.port: r.path for r in written_references(*self.nodes[name][:2])}
        self.edges.add_node(name, callee, self.sources[name], self.nodes[name][1], written)

    def _end(self, endpoint: Endpoint | None) -> Endpoint | None:
        """What an endpoint that is written stands for."""
        return endpoint if endpoint is None or self.expansion is None else self.expansion.end(endpoint)

    def _outputs(self, path: YamlPath) -> dict[str, Endpoint]:
        found = {}
        values: dict[str, dict[str, Endpoint]] = {}
        for name, text in self.shape.outputs.items():
            endpoint = self._end(self.references.resolve(text, (*path, "outputs", name), code="C213"))
            if endpoint is None:
                continue
            type_ = self.edges.types.get(endpoint)
            input_ = None if type_ is None else self.edges.counted_by_values(type_)
            if input_ is not None:
                values.setdefault(input_, {})[name] = endpoint
            elif type_ is None or self._is_by_sample(type_):
                found[name] = endpoint
            else:
                from composer.graph.repetition import rows_as_answers

                self.findings.add(rows_as_answers(self.edges, name, endpoint, (*path, "outputs")))
        for input_, outputs in values.items():
            from composer.graph.repetition import values_as_answers

            self.findings.add(values_as_answers(self.edges, input_, outputs, (*path, "outputs")))
        return found

    def _is_by_sample(self, type_: PortType) -> bool:
        """Whether the rows of a port are the samples of an input. A piece may give others, which a node makes."""
        kind, solver = self.callees.registry.kinds.get(type_.kind), self.edges.solver
        rows = None if kind is None else kind.batch_of(type_.dims)
        if rows is None or rows.is_number or self.path[0] == "pieces":
            return True
        return any(solver.normal(rows) == solver.normal(Dim.of(symbol)) for symbol in solver.samples)

    def _loss(self, path: YamlPath) -> Endpoint | None:
        objective = self.shape.objective
        if objective is None:
            return None
        where = (*path, "objective", "loss")
        endpoint = self._end(self.references.resolve(objective.loss, where, code="C219", training=True))
        if endpoint is None:
            return None
        found = self.edges.types.get(endpoint)
        if found is not None and found.kind != "scalar":
            message = f"the loss must be a scalar, and {objective.loss} is {shown(found)}"
            place = self.callees.document.tree.place(where)
            self.findings.add(Problem("C219", "error", message, place))
        return endpoint

    def _evaluation(self, outputs: Mapping[str, Endpoint]) -> CheckedEvaluation | None:
        shape = self.shape.evaluation
        if shape is None:
            return None
        from composer.graph.evaluations import check_evaluation

        types = {name: self.edges.types.get(end) for name, end in outputs.items()}
        return check_evaluation(self, shape, types)
