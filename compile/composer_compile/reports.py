"""What `--plan` found, as values that print themselves. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

__all__ = ["CompilePlan", "NodePlan", "OperationPlan", "StagePlan", "TaskPlan"]


@dataclass(frozen=True)
class OperationPlan:
    """One torch operation of a node, and how often it is called."""

    target: str
    count: int
    supported: bool
    reason: str = ""


@dataclass(frozen=True)
class NodePlan:
    """One node: its operations and what they cost at the sizes of the plan."""

    name: str
    callee: str
    operations: tuple[OperationPlan, ...]
    parameters: int
    """Distinct parameters that it reads."""
    flops: int
    """Floating-point operations of its matrix products and convolutions."""
    moved_bytes: int
    """Bytes read and written, operation by operation: an upper bound, which fusing lowers."""
    engines: int
    """Runs of supported operations: 1 where nothing falls back."""
    place: str = ""
    """Its line in the document."""

    @property
    def fallbacks(self) -> tuple[OperationPlan, ...]:
        return tuple(each for each in self.operations if not each.supported)

    @property
    def num_operations(self) -> int:
        return sum(each.count for each in self.operations)

    @property
    def status(self) -> str:
        if not self.operations:
            return "nothing to run"
        left = sum(each.count for each in self.fallbacks)
        return "supported" if not left else "fallback" if left == self.num_operations else f"{left} fall back"

    def named(self, name: str, callee: str) -> NodePlan:
        return replace(self, name=name, callee=callee)

    def at(self, place: str) -> NodePlan:
        return replace(self, place=place)


@dataclass(frozen=True)
class StagePlan:
    """A stage with its nodes in running order."""

    name: str
    nodes: tuple[NodePlan, ...]


@dataclass(frozen=True)
class TaskPlan:
    """A task at the best size of every range."""

    name: str
    precision: str
    sizes: Mapping[str, int]
    stages: tuple[StagePlan, ...]


@dataclass(frozen=True)
class CompilePlan:
    """What compiling a document with a backend would do."""

    document: str
    backend: str
    tasks: tuple[TaskPlan, ...]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def __str__(self) -> str:
        return "\n".join(line for task in self.tasks for line in self._task(task)).rstrip()

    def _task(self, task: TaskPlan) -> Iterator[str]:
        sizes = ", ".join(f"{name} {size}" for name, size in task.sizes.items())
        yield f"task {task.name} with {self.backend} ({task.precision}{', at ' + sizes if sizes else ''})"
        for stage in task.stages:
            yield f"  stage {stage.name}"
            yield f"    {'node':<16} {'calls':<30} {'ops':>5} {'params':>9} {'FLOPs':>9} {'bytes':>9}  engines  status"
            for node in stage.nodes:
                yield (
                    f"    {node.name:<16} {node.callee:<30} {node.num_operations:>5} {_short(node.parameters):>9} "
                    f"{_short(node.flops):>9} {_short(node.moved_bytes):>9}  {node.engines:>7}  {node.status}"
                )
                for each in node.fallbacks:
                    yield f"      falls back: {each.target} x {each.count}, {each.reason} ({node.place})"
            total = [
                sum(getattr(n, k) for n in stage.nodes) for k in ("num_operations", "flops", "moved_bytes")
            ]
            yield (
                f"    {'together':<16} {'':<30} {total[0]:>5} {'':>9} {_short(total[1]):>9} {_short(total[2]):>9}"
            )
        yield ""


def _short(count: int) -> str:
    value = float(count)
    for unit in ("", "k", "M", "G", "T"):
        if value < 1000:
            return f"{value:.0f}{unit}" if not unit else f"{value:.1f}{unit}"
        value /= 1000
    return f"{value:.1f}P"
