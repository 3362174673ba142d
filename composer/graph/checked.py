"""What the checker proves: a typed graph for every task, and the report that holds them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Union, cast

from composer.graph.wires import Wires
from composer.language import Resolved
from composer.plugin import (
    Config,
    GenerateOptions,
    Generation,
    Metric,
    Modality,
    ModuleType,
    Registry,
    SearchPolicy,
)
from composer.problems import DocumentError, Problem, YamlPath
from composer.types import ITEMS, UNBOUNDED, Kind, PortType, Several, Signature, Symbol

if TYPE_CHECKING:
    import networkx as nx

    from composer.graph.low_rank import CheckedAdapter
    from composer.graph.moving_averages import CheckedAverage
    from composer.graph.piece_bodies import PieceBody, PieceUse
    from composer.language.declared_weights import DeclaredWeights

__all__ = [
    "JOIN",
    "VERBS",
    "Call",
    "Callee",
    "Checked",
    "CheckedEvaluation",
    "CheckedInput",
    "CheckedMetric",
    "CheckedModule",
    "CheckedNode",
    "CheckedSearch",
    "CheckedTask",
    "Decoding",
    "Endpoint",
    "Generate",
    "InPlace",
    "Read",
    "Report",
    "UsedPiece",
    "Wired",
    "endpoints_of",
    "part_name",
    "split_part",
    "text_of",
]

JOIN = "+"
"""Between a module and its adapter, in names of what runs and in keys of checkpoints. No name of a document has it."""

Endpoint = tuple[str, str]
"""Name of a node or input, and one of its output ports."""

Wired = Union[Endpoint, tuple[Endpoint, ...]]
"""What an input port is wired to: a tuple of sources for a `many` port."""


def endpoints_of(wired: Wired) -> tuple[Endpoint, ...]:
    """The sources of an input port, one by one."""
    is_one = bool(wired) and isinstance(wired[0], str)
    return cast("tuple[Endpoint, ...]", (wired,) if is_one else wired)


def part_name(module: str, adapter: str) -> str:
    """What runs when a module is called with an adapter: `text+qa`; with none, the module itself."""
    return f"{module}{JOIN}{adapter}" if adapter else module


def split_part(part: str) -> tuple[str, str]:
    """The module and the adapter of `text+qa`; no adapter is empty."""
    module, _, adapter = part.partition(JOIN)
    return module, adapter


def text_of(endpoint: Endpoint) -> str:
    """An endpoint as a document writes it: an input of a piece is its name alone."""
    return ".".join(filter(None, endpoint))


@dataclass
class CheckedModule:
    """A declared module with its validated config. `config` may gain values that the calls agree on."""

    name: str
    type: ModuleType
    config: Config
    path: YamlPath
    weights: DeclaredWeights | None = None
    """Where its own weights come from, where the document says it."""
    freeze: bool | tuple[str, ...] = False
    """Whether training leaves its weights as they are, or the names of those."""
    adapters: Mapping[str, CheckedAdapter] = field(default_factory=dict)
    average: CheckedAverage | None = None
    """The module that it is the moving average of, where it is one."""


@dataclass(frozen=True)
class CheckedInput:
    """A task input with its modality's validated config and the ports it offers."""

    name: str
    modality: Modality
    config: Config
    ports: Mapping[str, PortType]
    host: Mapping[str, PortType]
    path: YamlPath
    training: bool = False
    several: Several | None = None
    """How many values a sample may have, where that is not one."""
    default: object = None
    """The raw value of a sample that comes without one; None where each brings its own."""
    prepared_for: str = ""
    """The module whose preparation it takes over; empty for none."""
    classes: tuple[str, ...] | None = None
    """The names of its classes; None where its values are none."""

    @property
    def reads(self) -> str:
        """Its modality, how many values a sample may have where that is not one, and whom it is prepared for:
        `image, 0 to 3, for backbone`."""
        prepared = f", for {self.prepared_for}" if self.prepared_for else ""
        several = "" if self.several is None else f", {self.several}"
        return f"{self.modality.id}{several}{prepared}"

    @property
    def own_ports(self) -> tuple[str, ...]:
        """The ports that its modality offers."""
        return tuple(port for port in self.ports if self.several is None or port != ITEMS)


@dataclass(frozen=True)
class CheckedSearch:
    """The search of a `generate` node: a registered policy with its options, and what the policy says of them."""

    policy: SearchPolicy
    config: Config
    beams: int
    streams: bool


@dataclass(frozen=True)
class Decoding:
    """What makes a node generate: how its module does, the node's options and its search."""

    generation: Generation
    options: GenerateOptions
    search: CheckedSearch


@dataclass(frozen=True)
class Callee:
    """What a node runs, with the signature of that one call: a `Call`, an `InPlace`, a `Read` or a `Generate`."""

    key: ClassVar[str]
    """The key of the language that says so; the node has its value there."""

    module: CheckedModule
    method: str
    options: Config | None
    signature: Signature
    adapter: str = field(default="", kw_only=True)
    """The adapter that the module is called with; empty for none."""


@dataclass(frozen=True)
class Call(Callee):
    """A method of a declared module."""

    key = "call"


@dataclass(frozen=True)
class InPlace(Callee):
    """A module type without weights, used where it stands; its module is called after the node."""

    key = "uses"


@dataclass(frozen=True)
class Read(InPlace):
    """What another node wrote, read as an input of a modality is read; its module has the modality's config."""

    key = "modality"

    modality: Modality
    kinds: Mapping[str, Kind]
    """What carries its ports."""
    counted: Mapping[str, str] = field(default_factory=dict)
    """Output port whose first dimension counts values of an input, to the input port that takes the `items` of it."""


@dataclass(frozen=True)
class Generate(Callee):
    """A search for what a declared decoder writes."""

    key = "generate"

    options: GenerateOptions
    search: CheckedSearch

    @property
    def decoding(self) -> Decoding:
        """How the decoder does it, the node's options and its search."""
        generation = self.module.type.generation
        assert generation is not None
        return Decoding(generation, self.options, self.search)


@dataclass(frozen=True)
class UsedPiece(Callee):
    """A piece of a graph with its arguments; the nodes inside take the place of the node that uses it.

    Its signature has the ports that the piece declares.
    """

    key = "piece"

    body: PieceBody


VERBS = tuple(callee.key for callee in (Call, InPlace, Generate, UsedPiece, Read))
"""The keys that say what a node runs; it has one of them."""


@dataclass(frozen=True)
class CheckedNode:
    """A node whose callee is known. `sources` holds one endpoint per wired port, a tuple of them for a `many` port."""

    name: str
    callee: Callee
    sources: Mapping[str, Wired]
    path: YamlPath
    training: bool = False

    @property
    def module(self) -> CheckedModule:
        return self.callee.module

    @property
    def part(self) -> str:
        """What runs the node: its module, or that with an adapter, `text+qa`, which has weights of its own beside."""
        return part_name(self.module.name, self.callee.adapter)

    @property
    def method(self) -> str:
        return self.callee.method

    @property
    def options(self) -> Config | None:
        return self.callee.options

    @property
    def signature(self) -> Signature:
        return self.callee.signature

    @property
    def is_in_place(self) -> bool:
        """Whether it uses a type or a modality in place, and no declared module."""
        return isinstance(self.callee, InPlace)

    @property
    def generates(self) -> bool:
        return isinstance(self.callee, Generate)

    @property
    def decoding(self) -> Decoding:
        """What a node that generates decodes with. Only such a node is asked."""
        assert isinstance(self.callee, Generate)
        return self.callee.decoding


@dataclass(frozen=True)
class CheckedMetric:
    """A metric with its validated config, by the name of its score."""

    name: str
    metric: Metric
    config: Config


@dataclass(frozen=True)
class CheckedEvaluation:
    """How well a task does: the outputs that are scored together, what they are compared with, and the metrics."""

    outputs: tuple[str, ...]
    reference: str | None
    """An input of the objective or the task, or else a column of the data; None where no metric needs one."""
    metrics: Mapping[str, CheckedMetric]
    classes: tuple[str, ...] = ()
    """The names of the classes of the reference, where it is an input of classes that says them."""


@dataclass
class CheckedTask:
    """A task as a graph whose every port has a type. `order` holds the nodes (no inputs) in running order.

    A task with a fault is there as far as it is known: without the inputs and nodes that are faulty themselves, and
    without the types of ports that depend on them.
    """

    name: str
    summary: str
    wires: Wires
    inputs: dict[str, CheckedInput]
    nodes: dict[str, CheckedNode]
    order: list[str]
    outputs: dict[str, Endpoint]
    loss: Endpoint | None
    types: dict[Endpoint, PortType]
    wanted: dict[Endpoint, PortType]
    ranges: dict[Symbol, tuple[int, int]] = field(default_factory=dict)
    compile: Any = None
    evaluation: CheckedEvaluation | None = None
    """As the document says it, with what is plain filled in; None where it says nothing."""
    on_host: frozenset[str] = frozenset()
    """The nodes that take or give what no tensor holds, such as text."""
    uses: Mapping[str, PieceUse] = field(default_factory=dict)
    """The uses of pieces by name, those inside of pieces too (`seen/frames`), each before what is inside of it."""
    ok: bool = True
    """Whether the task has no fault, so that nothing is missing."""

    def limits(self, symbol: Symbol) -> tuple[int, int]:
        """The sizes that its modules take for a symbol, both ends included."""
        return self.ranges.get(symbol, (1, UNBOUNDED))

    def made_on_host(self, kinds: Mapping[str, Kind]) -> dict[str, dict[str, PortType]]:
        """What nodes on the host make that tensors hold, such as the tokens of a text: port types by node and port."""
        found: dict[str, dict[str, PortType]] = {}
        for name in self.order:
            for port in self.nodes[name].signature.outputs if name in self.on_host else ():
                type_ = self.types.get((name, port))
                if type_ is not None and not kinds[type_.kind].has_objects:
                    found.setdefault(name, {})[port] = type_
        return found

    @cached_property
    def graph(self) -> nx.MultiDiGraph:
        """The task as a networkx graph."""
        return self.wires.graph()


@dataclass
class Report:
    """The outcome of checking a document: all problems in source order, and its tasks as far as they are known."""

    problems: tuple[Problem, ...]
    sources: Mapping[str, str]
    name: str = ""
    document: Resolved | None = None
    modules: Mapping[str, CheckedModule] = field(default_factory=dict)
    tasks: Mapping[str, CheckedTask] = field(default_factory=dict)
    registry: Registry | None = None

    @property
    def errors(self) -> tuple[Problem, ...]:
        return tuple(p for p in self.problems if p.severity == "error")

    @property
    def ok(self) -> bool:
        return not self.errors

    def raise_for_errors(self) -> Checked:
        """The report where there is no error, and then nothing is missing; raises DocumentError with all of them."""
        if self.errors:
            raise DocumentError(self.errors, self.sources)
        assert self.document is not None
        assert self.registry is not None
        return Checked(**vars(self))

    def __str__(self) -> str:
        if not self.problems:
            return f"{self.name}: {len(self.tasks)} tasks, {len(self.modules)} modules, no problems"
        return "\n".join(map(str, self.problems))


@dataclass
class Checked(Report):
    """The report on a document without an error: every task is whole, and what it was checked with is there."""

    document: Resolved = field(kw_only=True)
    registry: Registry = field(kw_only=True)
