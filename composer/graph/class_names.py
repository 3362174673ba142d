"""The names of classes: what training calls a class, the answer calls it too. Imported where an input has classes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from composer.graph.checked import Callee, CheckedInput, Endpoint, endpoints_of
from composer.problems import Note, Problem, YamlPath

if TYPE_CHECKING:
    from composer.graph.tasks import TaskChecker

__all__ = ["check_class_names"]

MOST_STEPS = 40
"""Nodes that scores are followed back through."""


@dataclass(frozen=True)
class _Named:
    """Names that something gives to the classes of scores."""

    names: tuple[str, ...]
    owner: str
    path: YamlPath


def check_class_names(checker: TaskChecker) -> None:
    """C261 where a node of the task names classes in another order than the objective that trains their scores."""
    names = _ClassNames(checker)
    trained = dict(names.trained())
    for scores, answer in names.answered():
        truth = trained.get(scores)
        if truth is not None:
            names.hold(answer, truth)


class _ClassNames:
    def __init__(self, checker: TaskChecker) -> None:
        self.checker = checker
        self.tree, self.kinds = checker.callees.document.tree, checker.callees.registry.kinds

    def trained(self) -> Iterator[tuple[Endpoint, _Named]]:
        """Scores that classes are compared with, and the input that names these."""
        for name, callee in self._nodes():
            for port, bound in callee.signature.vocabulary.items():
                item = self._input(name, port)
                if item is None or item.classes is None:
                    continue
                found = item.classes
                if found == tuple(map(str, range(len(found)))):
                    continue  # classes with numbers alone may be called as one likes
                for other, declared in callee.signature.inputs.items():
                    if str(bound) in map(str, declared.type.dims) and other != port:
                        yield from (
                            (self._origin(end), _Named(found, f"input `{item.name}`", item.path))
                            for end in self._sources(name, other)
                        )

    def answered(self) -> Iterator[tuple[Endpoint, _Named]]:
        """Scores that a node makes words of, and the words."""
        for name, callee in self._nodes():
            for port, names in callee.signature.classes.items():
                path = self.checker.nodes[name][1]
                for end in self._sources(name, port):
                    yield self._origin(end), _Named(tuple(names), f"node `{name}`", path)

    def hold(self, answer: _Named, truth: _Named) -> None:
        """Names that are others altogether may be meant so; one that stands at another number is a slip."""
        moved = [
            (number, name)
            for number, name in enumerate(answer.names)
            if name in truth.names and truth.names.index(name) != number
        ]
        if not moved:
            return
        number, name = moved[0]
        message = (
            f"{answer.owner} calls class {number} `{name}`, and {truth.owner} trains `{name}` as class "
            f"{truth.names.index(name)}"
        )
        place = self.tree.place(self._written(answer.path))
        notes = (Note(self.tree.place(self._written(truth.path)), f"{truth.owner} has its names here"),)
        helps = ("give both the same names in one order: write them once, as a parameter",)
        self.checker.findings.add(Problem("C261", "error", message, place, notes=notes, helps=helps))

    def _written(self, path: YamlPath) -> YamlPath:
        where = (*path, "with", "names")
        return where if self.tree.node(where) is not None else path

    def _nodes(self) -> Iterator[tuple[str, Callee]]:
        return (
            (name, callee) for name, callee in self.checker.resolved.items() if isinstance(callee, Callee)
        )

    def _input(self, name: str, port: str) -> CheckedInput | None:
        ends = self._sources(name, port)
        return self.checker.inputs.get(ends[0][0]) if len(ends) == 1 else None

    def _sources(self, name: str, port: str) -> Sequence[Endpoint]:
        sources: Mapping[str, object] = self.checker.sources.get(name, {})
        wired = sources.get(port)
        return () if wired is None else endpoints_of(wired)  # type: ignore[arg-type]

    def _origin(self, end: Endpoint) -> Endpoint:
        """Where scores come from: before a softmax, the same classes stand in the same order."""
        for _ in range(MOST_STEPS):
            before = self._before(end)
            if before is None:
                break
            end = before
        return end

    def _before(self, end: Endpoint) -> Endpoint | None:
        callee = self.checker.resolved.get(end[0])
        if not isinstance(callee, Callee) or end[1] not in callee.signature.outputs:
            return None
        given = callee.signature.outputs[end[1]].type
        if not self._is_ranked(given.kind):
            return None
        for port, declared in callee.signature.inputs.items():
            same = (
                str(declared.type.dims[-1]) == str(given.dims[-1])
                if declared.type.dims and given.dims
                else False
            )
            ends = self._sources(end[0], port)
            if same and self._is_ranked(declared.type.kind) and len(ends) == 1:
                return ends[0]
        return None

    def _is_ranked(self, kind: str) -> bool:
        return kind in self.kinds and self.kinds[kind].ranked
