"""Cutting a tensor stage into programs, so that what several tasks compute is one program for all of them.

Nodes are grouped by a label: the tasks that compute the same value, the precision, and (where a backend builds per
module) the module. Nodes of one label form one program as far as the order of the graph allows; a single task in one
precision stays one program per stage.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from composer.plan import Plan, Step
from composer_compile.stages.fingerprints import Digests
from composer_compile.stages.modules import prefills
from composer_compile.tensors.free_dims import FreeDims
from composer_compile.tensors.precisions import Precision

__all__ = ["Label", "Labels", "Segment", "cut", "labels_of"]


@dataclass(frozen=True)
class Label:
    """What nodes of one program have in common."""

    tasks: frozenset[str]
    precision: str
    module: str = ""
    kept: bool = False
    """Whether it depends on the inputs that sessions keep, and on nothing else."""

    @property
    def is_shared(self) -> bool:
        return len(self.tasks) > 1


Labels = Mapping[str, Label]
"""Node → label. A `generate` node has that of its beginning, which makes the cache."""


@dataclass(frozen=True)
class Segment:
    """Nodes that run as one program; `starts` are the `generate` nodes whose cache it makes."""

    steps: tuple[Step, ...]
    starts: tuple[Step, ...]
    precision: str

    @property
    def produced(self) -> frozenset[int]:
        return frozenset(slot for step in self.steps for slot in step.targets.values())

    @property
    def taken(self) -> tuple[int, ...]:
        """Slots that it needs from elsewhere, in order of their numbers."""
        read = {slot for step in (*self.steps, *self.starts) for slot in step.slots}
        return tuple(sorted(read - self.produced))


def labels_of(
    plans: Mapping[str, Plan],
    free: Mapping[str, FreeDims],
    precisions: Mapping[str, Precision],
    *,
    per_module: bool,
    session: Collection[str] = (),
) -> dict[str, Labels]:
    """The labels of every task. `per_module` also keeps declared modules apart, so that each is built on its own;
    `session` are the inputs that sessions keep.
    """
    digests = {name: Digests(plan, free[name]) for name, plan in plans.items()}
    holders: dict[tuple[str, str], set[str]] = {}
    for name, plan in plans.items():
        for step in plan.steps:
            key = (digests[name].steps[step.name], precisions[name].of(step))
            holders.setdefault(key, set()).add(name)
    found: dict[str, Labels] = {}
    for name, plan in plans.items():
        labels: dict[str, Label] = {}
        once = plan.depending_on(session)
        for step in plan.steps:
            precision = precisions[name].of(step)
            tasks = frozenset(holders[digests[name].steps[step.name], precision])
            module = _module(plan, step, labels) if per_module else ""
            # A prompt is run by a program of its own: it is long where a step is short.
            program = f"{step.name} prefill" if prefills(step) else module
            labels[step.name] = Label(tasks, precision, program, step.name in once)
        found[name] = labels
    return found


def _module(plan: Plan, step: Step, labels: Labels) -> str:
    """A step in place goes with the module whose result it takes: an engine for a sum alone is not worth its call."""
    if not step.node.is_in_place:
        return step.node.part
    makers = [plan.slots[slot][0] for slot in step.slots]
    return next((labels[maker].module for maker in reversed(makers) if maker in labels), "")


def cut(steps: Sequence[Step], starts: Sequence[Step], labels: Labels) -> list[Segment]:
    """Segments in running order; none depends on a later one.

    A node's depth is the number of label changes on the way to it; depth and label together are its segment. What no
    other task computes is then moved as late as it can be, which leaves fewer segments.
    """
    items = [*steps, *starts]
    before = _predecessors(items)
    depth: dict[str, int] = {}
    for item in items:
        depth[item.name] = max((_after(depth[p], p, item.name, labels) for p in before[item.name]), default=0)
    after: dict[str, list[str]] = {item.name: [] for item in items}
    for name, makers in before.items():
        for maker in makers:
            after[maker].append(name)
    for item in reversed(items):
        if after[item.name] and not labels[item.name].is_shared:
            depth[item.name] = min(depth[s] - (labels[s] != labels[item.name]) for s in after[item.name])
    return _collected(steps, starts, labels, lambda name: depth[name])


def _predecessors(items: Iterable[Step]) -> dict[str, list[str]]:
    makers: dict[int, str] = {}
    found: dict[str, list[str]] = {}
    for item in items:
        found[item.name] = [makers[slot] for slot in item.slots if slot in makers]
        if not item.node.generates:
            makers.update(dict.fromkeys(item.targets.values(), item.name))
    return found


def _after(depth: int, maker: str, name: str, labels: Labels) -> int:
    return depth + (labels[maker] != labels[name])


def _collected(
    steps: Sequence[Step], starts: Sequence[Step], labels: Labels, depth: Callable[[str], int]
) -> list[Segment]:
    groups: dict[Any, tuple[list[Step], list[Step]]] = {}
    for position, part in enumerate((steps, starts)):
        for step in part:
            groups.setdefault((depth(step.name), labels[step.name]), ([], []))[position].append(step)
    order = sorted(groups, key=lambda key: key[0])  # stable: equal depths keep the order of their first nodes
    return [Segment(tuple(groups[key][0]), tuple(groups[key][1]), key[1].precision) for key in order]
