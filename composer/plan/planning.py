"""Plans: what runs, in which order, in which stage. Frozen, printable, and made without torch.

A task is cut at its `generate` nodes and at nodes on the host, such as those that split a text into tokens: what a
search depends on is an `encode` stage; each search is a `decode` stage of its own, whose single step runs once per
token; a `host` stage makes what a later stage waits for; what only uses the results of searches is the `finish` stage.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from composer.graph import CheckedInput, CheckedNode, CheckedTask, Endpoint, Wired, endpoints_of
from composer.plan.staging import StageKind, cut_stages
from composer.plan.walking import Sources, places_of, read_sources
from composer.types import PortType

__all__ = ["Plan", "Stage", "StageKind", "Step", "plan_objective", "plan_task"]


@dataclass(frozen=True)
class Step:
    """One call: read `sources`, write one slot per output port. A source is a slot, or a tuple of slots for a list."""

    node: CheckedNode
    sources: Mapping[str, int | tuple[int, ...]]
    targets: Mapping[str, int]
    reads: Sources = field(init=False, repr=False, compare=False)
    """The sources, as a walk reads them for every run."""
    only: int | None = field(init=False, repr=False, compare=False)
    """The slot of the output port, where there is one alone."""

    @property
    def name(self) -> str:
        return self.node.name

    def __post_init__(self) -> None:
        targets = tuple(self.targets.values())
        object.__setattr__(self, "reads", tuple(self.sources.items()))
        object.__setattr__(self, "only", targets[0] if len(targets) == 1 else None)

    def read(self, slots: Sequence[Any]) -> dict[str, Any]:
        """The values of the sources by input port, a tuple of them for a port that takes a list."""
        return read_sources(self.reads, slots)

    def write(self, slots: list[Any], result: Any) -> None:
        """Put the values of several output ports into their slots."""
        for port, slot in self.targets.items():
            slots[slot] = result[port]

    @property
    def slots(self) -> tuple[int, ...]:
        """Every slot that is read, in the order of the ports."""
        return places_of(self.reads)

    @property
    def callee(self) -> str:
        """`module.method`, or the type's id for a step in place."""
        if self.node.is_in_place:
            return self.node.module.type.id
        method = "" if self.node.method in ("forward", "generate") else f".{self.node.method}"
        return f"{self.node.part}{method}"


@dataclass(frozen=True)
class Stage:
    """A part of a plan: one tensor program (`encode`, `finish`), token by token (`decode`), or on the host."""

    name: str
    """Unique in its plan: the kind, with a number from the second one on (`encode`, `decode`, `host`, `encode-2`)."""
    steps: tuple[Step, ...]
    kind: StageKind


@dataclass(frozen=True)
class Plan:
    """A task, resolved and ordered. Slots are numbered: first those of the inputs' ports, then those of the steps."""

    task: CheckedTask
    slots: tuple[Endpoint, ...]
    inputs: Mapping[str, CheckedInput]
    stages: tuple[Stage, ...]
    outputs: Mapping[str, int]
    loss: int | None = None

    @property
    def steps(self) -> tuple[Step, ...]:
        return tuple(step for stage in self.stages for step in stage.steps)

    @property
    def modules(self) -> tuple[str, ...]:
        """What the plan calls, each once: declared modules by name, and those with an adapter (`text+qa`)."""
        return tuple(dict.fromkeys(s.node.part for s in self.steps if not s.node.is_in_place))

    def depending_on(self, inputs: Collection[str]) -> frozenset[str]:
        """The steps that depend on these inputs alone: what a session that keeps them runs once."""
        known = {slot for slot, (name, _) in enumerate(self.slots) if name in self.inputs and name in inputs}
        steps = set[str]()
        for step in self.steps:
            if known.issuperset(step.slots):
                known.update(step.targets.values())
                steps.add(step.name)
        return frozenset(steps)

    def slot(self, endpoint: Endpoint) -> int:
        return self.slots.index(endpoint)

    def type_of(self, slot: int) -> PortType:
        return self.task.types[self.slots[slot]]

    def host_types(self, name: str) -> dict[str, PortType]:
        """The host ports of an input, with what the task found its symbols to be in the place of its own."""
        item = self.inputs[name]
        # Nothing else comes than what the ports hold: sums, such as `2*N`, too.
        if item.modality.host is None:
            return {
                port: replace(type_, dims=self.task.types[name, port].dims)
                for port, type_ in item.ports.items()
            }
        found = {
            own.symbols[0]: dim
            for port, declared in item.ports.items()
            for own, dim in zip(declared.dims, self.task.types[name, port].dims, strict=True)
            if own.is_symbol
        }
        return {
            port: replace(type_, dims=tuple(dim.substitute(found) for dim in type_.dims))
            for port, type_ in item.host.items()
        }

    def __str__(self) -> str:
        return self.text()

    def text(self, shown: Callable[[PortType], str] | None = None) -> str:
        """What runs, in which order, in which stage; `shown` writes port types, where symbols are to keep apart."""
        shown = shown or _shown
        names = max((14, *map(len, self.inputs), *(len(step.name) for step in self.steps)))
        called = max((24, *(len(step.callee) for step in self.steps)))
        lines = [f"task {self.task.name}"]
        for name, item in self.inputs.items():
            ports = ", ".join(f"{port}: {shown(self.task.types[name, port])}" for port in item.ports)
            lines.append(f"  input   {name:<{names}} {item.reads:<{called}} {ports}")
        for stage in self.stages:
            lines.append(f"  stage {stage.name}")
            for step in stage.steps:
                types = ", ".join(
                    f"{port}: {shown(self.type_of(slot))}" for port, slot in step.targets.items()
                )
                lines.append(f"    {step.name:<{names}} {step.callee:<{called}} {types}")
        outputs = ", ".join(f"{name} = {'.'.join(self.slots[slot])}" for name, slot in self.outputs.items())
        return "\n".join([*lines, f"  outputs {outputs}"])


def _shown(port: PortType) -> str:
    """Symbols without their owners: `B@video` reads `B`."""
    return str(replace(port, dims=tuple(dim.bare for dim in port.dims)))


def plan_task(task: CheckedTask) -> Plan:
    """Plan what answering takes: the nodes that the outputs need, cut into stages."""
    needed = _needed(task, [endpoint[0] for endpoint in task.outputs.values()])
    return _plan(task, needed, with_loss=False)


def plan_objective(task: CheckedTask) -> Plan:
    """Plan what the loss takes. Raises ValueError for a task without an objective."""
    if task.loss is None:
        raise ValueError(f"task `{task.name}` has no objective, so it cannot be trained")
    return _plan(task, _needed(task, [task.loss[0]]), with_loss=True)


def _needed(task: CheckedTask, ends: list[str]) -> set[str]:
    import networkx as nx  # where it is asked: what runs plans, such as an artifact, does not wait for it

    needed = set(ends)
    for end in ends:
        needed |= nx.ancestors(task.graph, end)
    return needed


def _plan(task: CheckedTask, needed: set[str], *, with_loss: bool) -> Plan:
    inputs = {name: item for name, item in task.inputs.items() if name in needed}
    slots: list[Endpoint] = [(name, port) for name, item in inputs.items() for port in item.ports]
    index: dict[Endpoint, int] = {endpoint: i for i, endpoint in enumerate(slots)}
    order = [task.nodes[name] for name in task.order if name in needed]
    steps: list[Step] = []
    for node in order:
        for port in node.signature.outputs:
            index[node.name, port] = len(slots)
            slots.append((node.name, port))
        sources = {port: _indices(index, endpoints) for port, endpoints in node.sources.items()}
        targets = {port: index[node.name, port] for port in node.signature.outputs}
        steps.append(Step(node, sources, targets))
    outputs = {} if with_loss else {name: index[endpoint] for name, endpoint in task.outputs.items()}
    loss = index[task.loss] if with_loss and task.loss is not None else None
    return Plan(task, tuple(slots), inputs, _stages(task, steps), outputs, loss)


def _indices(index: Mapping[Endpoint, int], wired: Wired) -> int | tuple[int, ...]:
    found = tuple(index[endpoint] for endpoint in endpoints_of(wired))
    return found if isinstance(wired[0], tuple) else found[0]


def _stages(task: CheckedTask, steps: list[Step]) -> tuple[Stage, ...]:
    by_name = {step.name: step for step in steps}
    makers = {slot: step.name for step in steps for slot in step.targets.values()}
    before = {step.name: [makers[slot] for slot in step.slots if slot in makers] for step in steps}
    searches = [step.name for step in steps if step.node.generates]
    cut = cut_stages(list(by_name), before, searches=searches, on_host=task.on_host)
    kinds = [kind for kind, _ in cut]
    numbers = [kinds[: index + 1].count(kind) for index, kind in enumerate(kinds)]
    return tuple(
        Stage(kind if number == 1 else f"{kind}-{number}", tuple(by_name[name] for name in part), kind)
        for (kind, part), number in zip(cut, numbers, strict=True)
    )
