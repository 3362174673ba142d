"""What two documents have in common and what not, as frozen values, and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["Change", "DocumentDiff", "PartDiff", "State", "TaskDiff", "counted"]

State = Literal["same", "renamed", "other sizes", "changed", "only in A", "only in B"]
STATES: tuple[State, ...] = ("same", "renamed", "other sizes", "changed", "only in A", "only in B")
"""`other sizes`: it is the same, and gives other port types because of what it is given."""


@dataclass(frozen=True)
class Change:
    """One thing that differs: a config field, what a port takes or gives, a method."""

    what: str
    a: object
    b: object
    follows: bool = False
    """Whether it follows from another difference: the port type of what is given other sizes."""

    def as_json(self) -> dict[str, object]:
        return {"what": self.what, "a": self.a, "b": self.b}


@dataclass(frozen=True)
class PartDiff:
    """A module, an input, a node or an output: what it is called in A and in B, and what differs beside its name."""

    a: str | None
    b: str | None
    type: str
    """What it is: a module type, a modality, or what an output shows."""
    changes: tuple[Change, ...] = ()

    @property
    def state(self) -> State:
        if self.a is None:
            return "only in B"
        if self.b is None:
            return "only in A"
        if self.changes:
            return "other sizes" if all(change.follows for change in self.changes) else "changed"
        return "same" if self.a == self.b else "renamed"

    @property
    def name(self) -> str:
        """`fusion`, or `fusion → joined` where B calls it something else."""
        if self.a is None or self.b is None or self.a == self.b:
            return (self.a if self.a is not None else self.b) or ""
        return f"{self.a} → {self.b}"

    def as_json(self) -> dict[str, object]:
        told: dict[str, object] = {"a": self.a, "b": self.b, "type": self.type, "state": self.state}
        return {**told, "changes": [each.as_json() for each in self.changes]} if self.changes else told


@dataclass(frozen=True)
class TaskDiff:
    """Two tasks, or a task that only one document has."""

    a: str | None
    b: str | None
    inputs: tuple[PartDiff, ...] = ()
    nodes: tuple[PartDiff, ...] = ()
    outputs: tuple[PartDiff, ...] = ()
    changes: tuple[Change, ...] = ()
    """What differs in how it is compiled."""

    @property
    def parts(self) -> Iterator[PartDiff]:
        yield from (*self.inputs, *self.nodes, *self.outputs)

    @property
    def same(self) -> bool:
        """Whether it computes the same, whatever it and its nodes are called."""
        alike = all(each.state in ("same", "renamed") for each in self.parts)
        return None not in (self.a, self.b) and alike and not self.changes

    @property
    def name(self) -> str:
        return PartDiff(self.a, self.b, "").name

    def as_json(self) -> dict[str, object]:
        told: dict[str, object] = {"a": self.a, "b": self.b, "same": self.same}
        for title in ("inputs", "nodes", "outputs"):
            told[title] = [each.as_json() for each in getattr(self, title)]
        return {**told, "changes": [each.as_json() for each in self.changes]} if self.changes else told


@dataclass(frozen=True)
class DocumentDiff:
    """Two documents, or a task of each."""

    a: str
    b: str
    modules: tuple[PartDiff, ...]
    tasks: tuple[TaskDiff, ...]
    cost: dict[str, Any] = field(default_factory=dict)
    """What both cost, where that was measured."""

    @property
    def same(self) -> bool:
        """Whether both have the same modules and compute the same, whatever things are called."""
        return all(each.state in ("same", "renamed") for each in self.modules) and all(
            task.same for task in self.tasks
        )

    def as_json(self) -> dict[str, object]:
        told: dict[str, object] = {
            "a": self.a,
            "b": self.b,
            "same": self.same,
            "modules": {"summary": counted(self.modules), "list": [each.as_json() for each in self.modules]},
            "tasks": [each.as_json() for each in self.tasks],
        }
        return {**told, "cost": self.cost} if self.cost else told


def counted(parts: Sequence[PartDiff]) -> dict[str, int]:
    """How many parts are in which state."""
    return {state: sum(part.state == state for part in parts) for state in STATES}
