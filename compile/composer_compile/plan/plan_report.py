"""What `--plan` found, as values that print themselves and turn into JSON with a schema. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from pydantic import ConfigDict, TypeAdapter, computed_field
from pydantic.dataclasses import dataclass

__all__ = [
    "CompilePlan",
    "NodePlan",
    "OperationPlan",
    "PlannedStage",
    "Status",
    "TaskPlan",
    "WeightsPlan",
    "plan_schema",
]

Status = Literal["supported", "partial", "fallback", "host", "nothing"]
"""What becomes of a node: all of it in engines, some operations left to torch, all left to torch, run on the host in
Python, or no operation at all (an input that enters as it is)."""

_DESCRIBED = ConfigDict(use_attribute_docstrings=True)


@dataclass(frozen=True, config=_DESCRIBED)
class OperationPlan:
    """One torch operation of a node, and how often it is called."""

    target: str
    count: int
    supported: bool
    reason: str = ""


@dataclass(frozen=True, config=_DESCRIBED)
class NodePlan:
    """One node: its operations and what they cost at the sizes of the plan."""

    name: str
    callee: str
    operations: tuple[OperationPlan, ...] = ()
    parameters: int = 0
    """Distinct parameters that it reads."""
    flops: int = 0
    """Floating-point operations of its matrix products and convolutions."""
    moved_bytes: int = 0
    """Bytes read and written, operation by operation: an upper bound, which fusing lowers."""
    workspace_bytes: int = 0
    """Peak of the bytes of intermediate tensors and results that are alive at once; see `workspace.py`."""
    engines: int = 0
    """Runs of supported operations: 1 where nothing falls back."""
    place: str = ""
    """Its line in the document."""
    on_host: bool = False
    """Whether it runs in Python beside the programs."""

    @computed_field  # type: ignore[prop-decorator]
    @property
    def status(self) -> Status:
        """Whether engines hold all, some or none of it."""
        if self.on_host:
            return "host"
        if not self.operations:
            return "nothing"
        left = sum(each.count for each in self.fallbacks)
        return "supported" if not left else "fallback" if left == self.num_operations else "partial"

    @property
    def fallbacks(self) -> tuple[OperationPlan, ...]:
        return tuple(each for each in self.operations if not each.supported)

    @property
    def num_operations(self) -> int:
        return sum(each.count for each in self.operations)

    @property
    def status_text(self) -> str:
        left = sum(each.count for each in self.fallbacks)
        texts = {"host": "on the host", "nothing": "nothing to run", "partial": f"{left} fall back"}
        return texts.get(self.status, self.status)

    def named(self, name: str, callee: str) -> NodePlan:
        return replace(self, name=name, callee=callee)

    def at(self, place: str) -> NodePlan:
        return replace(self, place=place)


@dataclass(frozen=True, config=_DESCRIBED)
class PlannedStage:
    """A stage with its nodes in running order."""

    name: str
    nodes: tuple[NodePlan, ...]


@dataclass(frozen=True, config=_DESCRIBED)
class TaskPlan:
    """A task at the best size of every range."""

    name: str
    precision: str
    sizes: Mapping[str, int]
    stages: tuple[PlannedStage, ...]


@dataclass(frozen=True, config=_DESCRIBED)
class WeightsPlan:
    """Where the weights of the tasks will lie, as far as that is known before anything is built."""

    stored_bytes: int
    """Bytes of weights that the artifact stores once, for all programs of all tasks."""
    stored_tensors: int
    """How many they are."""
    held_bytes: int
    """Bytes of weights inside programs, each counted in every program that holds it."""
    held_tensors: int
    """How many they are, counted so."""

    def __str__(self) -> str:
        stored = f"{_short(self.stored_bytes)}B in {self.stored_tensors} tensors, each stored once for all programs"
        if not self.held_tensors:
            return f"{stored}; none inside programs"
        held = f"{_short(self.held_bytes)}B in {self.held_tensors} inside the programs that read them"
        return f"{stored}; {held}; what an engine takes besides is known when it is built"


@dataclass(frozen=True, config=_DESCRIBED)
class CompilePlan:
    """What compiling a document with a backend would do."""

    document: str
    backend: str
    tasks: tuple[TaskPlan, ...]
    weights: WeightsPlan
    """Where the weights of all tasks together lie."""

    format: Literal["composer-compile-plan"] = "composer-compile-plan"
    """Tells this report from any other JSON."""
    version: Literal[1] = 1
    """Version of this form."""

    def as_json(self) -> dict[str, Any]:
        data: dict[str, Any] = TypeAdapter(CompilePlan).dump_python(self, mode="json")
        return data

    def __str__(self) -> str:
        tasks = (line for task in self.tasks for line in self._task(task))
        return "\n".join([*tasks, f"weights of all tasks: {self.weights}"])

    def _task(self, task: TaskPlan) -> Iterator[str]:
        sizes = ", ".join(f"{name} {size}" for name, size in task.sizes.items())
        yield f"task {task.name} with {self.backend} ({task.precision}{', at ' + sizes if sizes else ''})"
        nodes = [node for stage in task.stages for node in stage.nodes]
        names = max((16, *(len(node.name) for node in nodes)))
        calls = max((30, *(len(node.callee) for node in nodes)))
        for stage in task.stages:
            yield f"  stage {stage.name}"
            yield f"    {'node':<{names}} {'calls':<{calls}} {_columns(COLUMNS)}  status"
            for node in stage.nodes:
                yield f"    {node.name:<{names}} {node.callee:<{calls}} {_columns(_costs([node]))}  {node.status_text}"
                for each in node.fallbacks:
                    yield f"      falls back: {each.target} x {each.count}, {each.reason} ({node.place})"
            yield f"    {'together':<{names}} {'':<{calls}} {_columns(_costs(stage.nodes))}"
        yield ""


COLUMNS = ("ops", "params", "FLOPs", "bytes", "workspace", "engines")


def _costs(nodes: Sequence[NodePlan]) -> tuple[str, ...]:
    """Sums, but the largest workspace: nodes run one after the other. Parameters of several nodes may be the same."""
    counts = (sum(node.num_operations for node in nodes), sum(node.engines for node in nodes))
    return (
        str(counts[0]),
        _short(nodes[0].parameters) if len(nodes) == 1 else "",
        _short(sum(node.flops for node in nodes)),
        _short(sum(node.moved_bytes for node in nodes)),
        _short(max(node.workspace_bytes for node in nodes)),
        str(counts[1]),
    )


def _columns(cells: Sequence[str]) -> str:
    return " ".join(f"{cell:>{width}}" for cell, width in zip(cells, (5, 9, 9, 9, 9, 7), strict=True))


def _short(count: int) -> str:
    value = float(count)
    for unit in ("", "k", "M", "G", "T"):
        if value < 1000:
            return f"{value:.0f}{unit}" if not unit else f"{value:.1f}{unit}"
        value /= 1000
    return f"{value:.1f}P"


def plan_schema() -> dict[str, Any]:
    """The JSON Schema of what `composer compile --plan --json` prints."""
    return TypeAdapter(CompilePlan).json_schema(mode="serialization")
