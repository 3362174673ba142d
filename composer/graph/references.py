"""References: `node.port` and `input.port`, resolved to endpoints."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from composer.language import NodeShape, Tree, removal, role_of
from composer.problems import Edit, Findings, Note, Place, Problem, YamlPath
from composer.problems.suggest import listed, rename, suggest

if TYPE_CHECKING:
    from composer.graph.faults import NameFaults

__all__ = ["Reference", "References", "written_references"]

MANY = 200
_FOREIGN = re.compile(r"[^\w.-]+", re.ASCII)
"""What no reference holds."""
_NAMED = (("nodes",), ("inputs",), ("objective", "nodes"), ("objective", "inputs"))
"""Where a task names what references begin with."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A reference as written: the input port it feeds (None where the node has one port), its text and its path."""

    port: str | None
    text: str
    path: YamlPath
    many: bool = False


def written_references(node: NodeShape, path: YamlPath) -> Iterator[Reference]:
    """Every reference among a node's `inputs`, in the order of the file."""
    where = (*path, "inputs")
    if isinstance(node.inputs, str):
        yield Reference(None, node.inputs, where)
        return
    for port, value in node.inputs.items():
        if isinstance(value, str):
            yield Reference(port, value, (*where, port))
        else:
            for index, item in enumerate(value):
                yield Reference(port, item, (*where, port, index), many=True)


@dataclass
class References:
    """Resolves the references of one task. Those to an input or a node that is silenced are silent too."""

    tree: Tree
    findings: Findings
    task: YamlPath
    names: Mapping[str, YamlPath]
    """Every input and node, those with a fault of their own included."""
    outputs: Mapping[str, tuple[str, ...]]
    """The output ports of those that are known."""
    training: Set[str] = frozenset()
    """Names of the objective's inputs and nodes."""
    callers: Mapping[str, list[str]] = field(default_factory=dict)
    """Modules, and the nodes of the task that call each."""
    read: Set[str] = frozenset()
    """The names that references of the task begin with."""
    removed: Mapping[YamlPath, Place] = field(default_factory=dict)
    """What a document removes from those that it extends, and where."""
    portless: list[tuple[Problem, str, str]] = field(default_factory=list)
    """Problems of outputs that a node lacks, with the node and the output."""
    _names: dict[tuple[str | None, bool], tuple[str, ...]] = field(default_factory=dict)
    _unknown: NameFaults | None = None
    """Names that nothing has, each told once; None as long as there is none."""

    def resolve(
        self, text: str, path: YamlPath, *, code: str = "C207", training: bool = False
    ) -> tuple[str, str] | None:
        """The endpoint of a reference, or None after reporting (or silently for a name with a problem of its own).

        `training` says that the objective refers: it sees the task's own names and those of the objective.
        """
        name, dot, port = text.partition(".")
        if name not in self.names and self.findings.is_in_doubt(self.task):
            return None
        if "." in port or (dot and not port) or not name:
            message = f"{text!r} is not a reference: write `node.port` or `input.port`"
            self._problem("C109", message, path, [])
            return None
        if name not in self.names and _FOREIGN.search(text):
            self._foreign(text, path)
            return None
        if name not in self.names:
            self._unknown_name(name, text, path, code, training)
            return None
        if name in self.training and not training:
            message = f"`{name}` belongs to the objective, which answering does not see"
            self._problem(
                code, message, path, [f"declare `{name}` in the task itself, or refer to it in the objective"]
            )
            return None
        if self.findings.is_silent(self.names[name]):
            return None
        return self._output(name, port, path, code)

    def _output(self, name: str, port: str, path: YamlPath, code: str) -> tuple[str, str] | None:
        """The output `port` of an input or node that is known; without one, the only output that it has."""
        ports = self.outputs[name]
        if not port:
            if len(ports) == 1:
                return name, ports[0]
            choices = ", ".join(f"`{name}.{p}`" for p in ports)
            self._problem(
                "C214", f"`{name}` has several outputs: which one?", path, [f"write one of {choices}"]
            )
            return None
        if port in ports:
            return name, port
        if ports == ("",):
            message = f"`{name}` is an input of this piece, and has no ports"
            fix = rename(self.tree.place(path), name)
            self._problem("C109", message, path, [f"write `{name}`"], fix)
            return None
        meant = suggest(port, ports, self.tree.place(path), form=f"{name}.{{}}")
        helps = list(meant.helps)
        if not helps and len(ports) == 1:
            helps.append(f"did you mean `{name}.{ports[0]}`?")
        helps.append(f"`{name}` has {'the outputs ' + ', '.join(ports) if ports else 'no outputs'}")
        problem = Problem(
            code,
            "error",
            f"`{name}` has no output `{port}`",
            self.tree.place(path),
            "",
            (),
            tuple(helps),
            meant.fix,
        )
        self.portless.append((problem, name, port))
        return None

    def settle(self, follows: Callable[[str, str], bool]) -> None:
        """Tell of outputs that nodes lack, unless that follows from another fault of the node; one name once."""
        for problem, name, port in self.portless:
            if not follows(name, port):
                self._add_unknown("port", problem)
        if self._unknown is not None:
            self._unknown.settle()

    def _add_unknown(self, scope: str, problem: Problem) -> None:
        if self._unknown is None:
            from composer.graph.faults import NameFaults

            self._unknown = NameFaults(self.findings)
        self._unknown.add(scope, problem)

    def _foreign(self, text: str, path: YamlPath) -> None:
        """A reference as other tools write it: `node/port`, `$node.port`, `${{ node.port }}`."""
        meant = ".".join(_FOREIGN.sub(" ", text).split())
        name, _, port = meant.partition(".")
        ports = self.outputs.get(name, ())
        fits = port in ports if port else bool(ports)
        helps = [f"did you mean `{meant}`?"] if fits else []
        helps.append(
            "a name is made of letters, digits, `_` and `-`; parameters are filled in under `with` alone"
        )
        message = f"{text!r} is not a reference: write `node.port` or `input.port`"
        self._problem("C109", message, path, helps, rename(self.tree.place(path), meant) if fits else ())

    def _known(self, own: str | None, training: bool) -> tuple[str, ...]:
        """The names that a reference may begin with. Of very many the own one too: all readers are told the same."""
        key = (None if len(self.names) > MANY else own, training)
        if key not in self._names:
            self._names[key] = tuple(
                name
                for name in self.names
                if name != key[0] and isinstance(name, str) and (training or name not in self.training)
            )
        return self._names[key]

    def _unknown_name(self, name: str, text: str, path: YamlPath, code: str, training: bool) -> None:
        known = self._known(_node_of(path), training)
        place, port = self.tree.place(path), text[len(name) :]
        callers = [n for n in self.callers.get(name, ()) if n in known]
        if callers:
            helps = [f"`{name}` is a module; read a node that calls it: {', '.join(callers)}"]
            fix = rename(place, callers[0] + port) if len(callers) == 1 else ()
        else:
            meant = suggest(name, known, place, form="{}" + port, coined=True, used=self.read)
            helps, fix = list(meant.helps), meant.fix
        whole = role_of(self.task)
        helps.append(f"inputs and nodes of this {whole}: {listed(name, known)}")
        if whole == "piece" and not callers and not fix:
            helps.append("a piece sees its own alone: what comes from outside is declared under its `inputs`")
        message, notes = f"this {whole} has no node or input `{name}`", tuple[Note, ...]()
        wheres = ((*path[:2], *inner, name) for inner in _NAMED)
        gone = next((self.removed[where] for where in wheres if where in self.removed), None)
        if gone is not None:
            message, notes, cures = removal(message, gone)
            helps, fix = list(cures), ()
        problem = Problem(code, "error", message, place, "", notes, tuple(helps), fix)
        self._add_unknown("name", problem)

    def _problem(
        self,
        code: str,
        message: str,
        path: YamlPath,
        helps: list[str],
        fix: tuple[Edit, ...] = (),
        notes: tuple[Note, ...] = (),
    ) -> None:
        place = self.tree.place(path)
        self.findings.add(Problem(code, "error", message, place, "", notes, tuple(helps), fix))


def _node_of(path: YamlPath) -> str | None:
    """The node that a path into a task or its objective leads to, if it leads to one."""
    inner = path[3:] if path[2:3] == ("objective",) else path[2:]
    return str(inner[1]) if inner[:1] == ("nodes",) and len(inner) > 1 else None
