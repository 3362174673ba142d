"""What the inputs of a node are wired to: every reference at the port that it feeds, and ports that nothing feeds."""

from __future__ import annotations

from collections.abc import Mapping, MutableSet
from dataclasses import dataclass

from composer.graph.checked import Callee, CheckedInput, Endpoint, Read, Wired, endpoints_of
from composer.graph.references import Reference
from composer.language import NodeShape, Resolved
from composer.problems import Findings, Problem, YamlPath
from composer.types import Port

__all__ = ["NodeInputs"]


@dataclass
class NodeInputs:
    """Wires the nodes of one task. A port that is wired to something faulty is None there, and explains itself."""

    document: Resolved
    findings: Findings
    inputs: Mapping[str, CheckedInput]
    nodes: Mapping[str, tuple[NodeShape, YamlPath, bool]]
    resolved: Mapping[str, Callee]
    misfits: MutableSet[str]
    """Nodes that are given what they do not take, or are not given what they need."""
    ports: Mapping[str, Port]
    """The inputs of a piece that is checked by itself."""

    def connect(
        self,
        wired: dict[str, Wired | None],
        callee: Callee,
        reference: Reference,
        endpoint: Endpoint | None,
        path: YamlPath,
    ) -> None:
        """Wire one reference of the node at `path` to `endpoint`, which is None where it names nothing."""
        ports = callee.signature.inputs
        port = reference.port
        if port is None:
            choices = [name for name, declared in ports.items() if not declared.optional] or list(ports)
            if len(choices) != 1:
                self._unnamed(callee, reference, path)
                wired.update(dict.fromkeys(ports))
                return
            (port,) = choices
        if port not in ports:
            self._unexpected(callee, reference, wired, path)
            return
        own = self.ports.get(endpoint[0]) if endpoint else None
        if own is not None and own.many and not ports[port].many:
            wired[port] = None
            self._several(ports[port], reference, port, path)
        elif (reference.many or (own is not None and own.many)) != ports[port].many:
            wired[port] = None
            self._one_or_many(callee, reference, port, path)
        elif ports[port].many:
            before = endpoints_of(wired.get(port) or ())
            wired[port] = (*before, endpoint) if endpoint else before
        else:
            wired[port] = endpoint

    def left_out(self, wired: Mapping[str, Wired | None], callee: Callee, path: YamlPath) -> None:
        """C232 for every port of the node that needs something, and reads what a use of the piece may leave out."""
        for port, ends in wired.items():
            declared = callee.signature.inputs.get(port)
            own = [self.ports.get(end) for end, _ in endpoints_of(ends or ())]
            if declared is not None and own and not declared.optional and all(o and o.optional for o in own):
                from composer.graph.loose_inputs import loose_input

                name, _ = endpoints_of(ends or ())[0]
                place = self.document.tree.place((*path, "inputs", port))
                message = f"input `{port}` of node `{path[-1]}` needs a value, and `{name}` may be left out"
                self.findings.add(loose_input(message, name, self.ports[name], place))

    def missing(self, wired: Mapping[str, object], callee: Callee, node: NodeShape, path: YamlPath) -> None:
        """C208 for every port of the node at `path` that needs something and has nothing."""
        ports = [p for p, d in callee.signature.inputs.items() if p not in wired and not d.optional]
        if not ports or self.findings.touches(path) or self._misnamed(wired, callee, node) >= len(ports):
            return
        faulty = self.findings.silent_keys((*path, "inputs"))
        if self.findings.silent_keys(path) and self.document.tree.node((*path, "inputs")) is None:
            return  # the inputs may stand under a misspelt key
        from composer.graph.wiring import offers

        for port in (port for port in ports if port not in faulty):
            declared, tree = callee.signature.inputs[port], self.document.tree
            has_inputs = tree.node((*path, "inputs")) is not None
            place = tree.place((*path, "inputs") if has_inputs else path, key=True)
            message = f"node `{path[-1]}` needs the input `{port}` ({declared.type})"
            helps = offers(declared.type.kind, port, str(path[-1]), self.inputs, self.nodes, self.resolved)
            if isinstance(callee, Read) and not has_inputs:
                helps += ("or write the node under `inputs`, where values come from outside the task",)
            self.misfits.add(str(path[-1]))
            self.findings.add(Problem("C208", "error", message, place, "missing", helps=helps))

    @staticmethod
    def _misnamed(wired: Mapping[str, object], callee: Callee, node: NodeShape) -> int:
        """How many inputs are written under names that the node does not have, and are meant for nobody knows which."""
        if not isinstance(node.inputs, dict):
            return 0
        written = [name for name in node.inputs if name in callee.signature.inputs]
        return len(node.inputs) - len(written) - sum(port not in written for port in wired)

    def _unnamed(self, callee: Callee, reference: Reference, path: YamlPath) -> None:
        """C214: one reference for a node with several inputs."""
        ports = callee.signature.inputs
        message = f"node `{path[-1]}` has {len(ports)} inputs, so each needs its name"
        helps = (f"write `inputs: {{{', '.join(f'{p}: ...' for p in ports)}}}`",)
        place = self.document.tree.place(reference.path)
        self.findings.add(Problem("C214", "error", message, place, helps=helps))

    def _one_or_many(self, callee: Callee, reference: Reference, port: str, path: YamlPath) -> None:
        """C102: a list for a port that takes one reference, or the other way round."""
        from composer.graph.wiring import one_or_many

        form = "a list of references" if callee.signature.inputs[port].many else "one reference, not a list"
        message = f"input `{port}` of node `{path[-1]}` takes {form}"
        place = self.document.tree.place((*path, "inputs", port))
        cures = one_or_many(self.nodes[str(path[-1])][0], reference)
        if not self.findings.stands_at(place):
            self.findings.add(Problem("C102", "error", message, place, helps=cures))

    def _several(self, declared: Port, reference: Reference, port: str, path: YamlPath) -> None:
        """C232: a list of the piece where one value is taken."""
        from composer.graph.loose_inputs import loose_input

        message = f"input `{port}` of node `{path[-1]}` takes one value, and `{reference.text}` is a list"
        place = self.document.tree.place((*path, "inputs", port))
        own = self.ports[reference.text.partition(".")[0]]
        self.findings.add(loose_input(message, reference.text, own, place))

    def _unexpected(
        self, callee: Callee, reference: Reference, wired: dict[str, Wired | None], path: YamlPath
    ) -> None:
        """C209: an input that the node does not have."""
        from composer.graph.wiring import takers
        from composer.problems.suggest import suggest

        ports = callee.signature.inputs
        tree = self.document.tree
        written = self.nodes[str(path[-1])][0].inputs
        free = [p for p in ports if not (isinstance(written, dict) and p in written)]
        place = tree.place((*path, "inputs", str(reference.port)), key=True)
        meant = suggest(str(reference.port), free, place)
        guess = meant.word or (free[0] if len(free) == 1 else None)
        helps = list(meant.helps) or ([f"did you mean `{guess}`?"] if guess else [])
        fix = meant.fix
        calls = takers(callee, str(reference.port))
        if calls:
            help_ = f"{' and '.join(f'`call: {call}`' for call in calls)} takes `{reference.port}`"
            helps.insert(0 if callee.method == "forward" else len(helps), help_)
            fix = ()
        self.misfits.add(str(path[-1]))
        helps.append(f"node `{path[-1]}` takes {', '.join(ports) or 'no inputs'}")
        if guess:
            wired[guess] = None  # the misspelt input explains the missing one
        message = f"node `{path[-1]}` has no input `{reference.port}`"
        self.findings.add(Problem("C209", "error", message, place, "unexpected", helps=tuple(helps), fix=fix))
