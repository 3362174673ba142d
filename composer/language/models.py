"""The shape of a document as pydantic models. References, kinds and dims are not checked here."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Union

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag

__all__ = [
    "WHOLE",
    "AdapterShape",
    "CompileShape",
    "DocumentShape",
    "EvaluationShape",
    "InputShape",
    "MetricShape",
    "Metrics",
    "ModuleShape",
    "NodeShape",
    "ObjectiveShape",
    "Outputs",
    "PieceShape",
    "RepeatedShape",
    "TaskShape",
    "WeightsShape",
]


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, populate_by_name=True, defer_build=True)


WHOLE = "$"
"""The only key of a map that a parameter stands for as a whole, until it is filled in: no option is called so."""


def _whole(value: object) -> object:
    is_parameter = isinstance(value, str) and value[:1] == "$" and value[1:2] not in {"$", ""}
    return {WHOLE: value} if is_parameter else value


With = Annotated[dict[str, Any], BeforeValidator(_whole)]
"""Options by name, or `$name` for a parameter that is a map of them."""


class WeightsShape(_Shape):
    """Where the weights of a module come from: a file, or one inside of an installed package or a Hub repository."""

    file: str | None = None
    """A file or folder, relative to this document; with `package` or `hub`, one inside of that."""
    package: str | None = None
    """An installed package that holds the file."""
    hub: str | None = None
    """A repository of the Hugging Face Hub: `owner/name`."""
    revision: str | None = None
    """Commit, tag or branch of the repository; only a commit never moves."""
    layout: str | None = None
    """Id of a layout: how the checkpoint names its tensors."""
    root: str | None = None
    """Entry of the file under which the tensors lie, such as `ema`."""
    prefix: str | None = None
    """First words of the keys that belong to the module; all others are left out."""
    sha256: str | None = None
    """SHA-256 of the file, in hexadecimal."""


def _written_as(value: object) -> str:
    return "str" if isinstance(value, str) else _LONG


_LONG = "dict[weights]"
"""How pydantic calls the long form in locations, where it is not a key."""


_Weights = Annotated[
    Union[Annotated[str, Tag("str")], Annotated[WeightsShape, Tag(_LONG)]], Discriminator(_written_as)
]


def _one_or_several(value: object) -> str:
    return "list[str]" if isinstance(value, list) else "str"


_Extends = Annotated[
    Union[
        Annotated[Union[str, None], Tag("str")],
        Annotated[list[str], Tag("list[str]")],
    ],
    Discriminator(_one_or_several),
]


class AdapterShape(_Shape):
    """A low-rank adapter (LoRA) of a module: small weights beside frozen or shared ones, for the nodes that name it."""

    with_: With = Field(default_factory=dict, alias="with")
    """Its rank, its scale, and the parts of the module that it adapts."""
    summary: str = ""
    """One line for people."""


class ModuleShape(_Shape):
    """A declared instance of a module type; it owns weights."""

    uses: str
    """Id of a registered module type. An average has none of its own: it is what the module that it follows is."""
    average_of: str | None = None
    """Another module whose moving average this one is: training moves it a little after that one at every step."""
    with_: With = Field(default_factory=dict, alias="with")
    """Config of the module type, or of an average: its momentum."""
    weights: _Weights | None = None
    """Where its weights come from: a file, `package:name/file`, `hub:owner/name@revision`, a map, or `fresh`."""
    freeze: bool | list[str] = False
    """Whether training leaves its weights as they are, or names of those (`[embeddings, "layers.0.*"]`)."""
    adapters: dict[str, AdapterShape] = Field(default_factory=dict)
    """Low-rank adapters by name; a node that calls the module says which one it calls with."""
    summary: str = ""
    """One line for people."""


class RepeatedShape(_Shape):
    """How many values of an input one sample may have."""

    at_least: int = Field(default=0, ge=0)
    """Fewest values of a sample; with 0 the input may be left out."""
    at_most: int | None = Field(default=None, ge=1)
    """Most values of a sample; null sets no limit."""


class InputShape(_Shape):
    """A raw value that the task takes from outside."""

    modality: str
    """Id of a registered modality."""
    with_: With = Field(default_factory=dict, alias="with")
    """Config of the modality."""
    for_: str | None = Field(default=None, alias="for")
    """A declared module: what its type was made for, such as a size or colours, stands where `with` says nothing."""
    optional: bool = False
    """Whether a sample may come without it; its values then have a batch of their own, and a port `items`."""
    repeated: RepeatedShape | None = None
    """How many values a sample may have, such as `{at_most: 8}`; they have a batch of their own, and a port `items`."""
    default: Any = None
    """The raw value of a sample that comes without one, such as a text."""
    summary: str = ""
    """One line for people."""


class NodeShape(_Shape):
    """One call, or one use of a piece. Exactly one of `call`, `uses`, `generate`, `piece` and `modality`."""

    call: str | None = None
    """A declared module, or one of its methods: `module` or `module.method`."""
    uses: str | None = None
    """Id of a stateless module type, called in place."""
    generate: str | None = None
    """A declared module that can decode: generates tokens until the end token."""
    piece: str | None = None
    """A piece of a graph: its nodes stand here, called `node/inner`."""
    modality: str | None = None
    """Id of a registered modality: reads what another node wrote, such as text, as an input is read."""
    for_: str | None = Field(default=None, alias="for")
    """With `modality`: a declared module; what its type was made for stands where `with` says nothing."""
    inputs: str | dict[str, str | list[str]] = Field(default_factory=dict)
    """Input port to `node.port` or `input.port`; a bare reference where just one input port must be wired."""
    with_: With = Field(default_factory=dict, alias="with")
    """Config of the module type (`uses`) or the modality, options of the method (`call`) or the search (`generate`),
    or parameters of the piece."""
    adapter: str | None = None
    """The adapter of the module that the node calls with; left out, the module's own weights alone."""
    summary: str = ""
    """One line for people."""


class PieceShape(_Shape):
    """A piece of a graph that is written once and used by tasks and by other pieces."""

    summary: str = ""
    """One line for people."""
    parameters: dict[str, Any] = Field(default_factory=dict)
    """Values that `$name` stands for inside; a use may give others of the same type under `with`."""
    inputs: dict[str, str] = Field(default_factory=dict)
    """Input port to its type, `states[B, N, 768]`; a kind alone leaves the dimensions open."""
    nodes: dict[str, NodeShape] = Field(default_factory=dict)
    """Calls, in any order; they read the inputs of the piece by their names."""
    outputs: dict[str, str] = Field(default_factory=dict)
    """Output port to the `node.port` inside that it shows."""


class ObjectiveShape(_Shape):
    """What only training sees: extra inputs and nodes, and the loss."""

    inputs: dict[str, InputShape] = Field(default_factory=dict)
    """Extra inputs, such as the reference answers."""
    nodes: dict[str, NodeShape] = Field(default_factory=dict)
    """Extra nodes; they may refer to the task's own nodes and inputs."""
    loss: str
    """The `node.port` that is minimised; its kind is `scalar`."""


class MetricShape(_Shape):
    """A registered metric with its config, such as `{uses: core.top_k_accuracy, with: {k: 5}}`."""

    uses: str
    """Id of a registered metric."""
    with_: With = Field(default_factory=dict, alias="with")
    """Config of the metric."""


def _metric_written_as(value: object) -> str:
    return "dict[metric]" if isinstance(value, (dict, MetricShape)) else "str"


Metrics = dict[
    str,
    Annotated[
        Union[Annotated[str, Tag("str")], Annotated[MetricShape, Tag("dict[metric]")]],
        Discriminator(_metric_written_as),
    ],
]
"""Name of a score to the metric that gives it: its id, or that with a config."""

Outputs = Annotated[
    Union[Annotated[str, Tag("str")], Annotated[list[str], Tag("list[str]")]],
    Discriminator(_one_or_several),
]
"""An output of a task, or several that are scored together."""


class EvaluationShape(_Shape):
    """How well the task does: which output is scored, what it is compared with, and by which metrics."""

    output: Outputs | None = None
    """The output that is scored; several (`[image, text]`) where metrics compare those. The only one where left out."""
    reference: str | None = None
    """What the output is compared with: an input of the objective or the task, or else a column of the data. The only
    input of the objective where left out."""
    metrics: Metrics | None = None
    """Name of a score to a metric: `{accuracy: core.accuracy}`. What is usual for the output where left out."""


class CompileShape(_Shape):
    """How a task is compiled."""

    ranges: dict[str, str] = Field(default_factory=dict)
    """Free dimension to its range: `batch: 1..32, best 8` (quoted)."""
    precision: Literal["fp32", "fp16", "bf16"] = "fp32"
    """Number format of the compiled programs."""
    precisions: dict[str, Literal["fp32", "fp16", "bf16"]] = Field(default_factory=dict)
    """Module or node to a number format of its own."""
    tolerance: float | None = Field(default=None, ge=0)
    """Largest accepted difference from the eager program; unset takes the precision's default."""


class TaskShape(_Shape):
    """A graph over modules: inputs, nodes, outputs."""

    summary: str = ""
    """One line for people."""
    inputs: dict[str, InputShape] = Field(default_factory=dict)
    """Raw values that the task takes."""
    nodes: dict[str, NodeShape] = Field(default_factory=dict)
    """Calls, in any order."""
    outputs: dict[str, str] = Field(default_factory=dict)
    """Name of an output to the `node.port` that it shows."""
    objective: ObjectiveShape | None = None
    """What only training sees."""
    evaluation: EvaluationShape | None = None
    """How well the task does: the output that is scored, its reference and the metrics."""
    compile: CompileShape = Field(default_factory=CompileShape)
    """Ranges, precision and tolerance for compiling."""


class DocumentShape(_Shape):
    """A document: parameters, modules, pieces and tasks."""

    composer: Literal[1]
    """Version of the language."""
    name: str = ""
    """Name of the document."""
    summary: str = ""
    """One line for people."""
    extends: _Extends = None
    """Another document, by relative path or by the name of one that a plugin ships; or a list of several."""
    parameters: dict[str, Any] = Field(default_factory=dict)
    """Values that `$name` stands for; each is typed by its default."""
    modules: dict[str, ModuleShape] = Field(default_factory=dict)
    """Declared once; they own the weights."""
    pieces: dict[str, PieceShape] = Field(default_factory=dict)
    """Parts of graphs that tasks use."""
    tasks: dict[str, TaskShape] = Field(default_factory=dict)
    """Graphs over the modules."""
