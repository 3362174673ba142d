"""The manifest of an artifact: everything that is known of it, as JSON. Imports no torch."""

from __future__ import annotations

from typing import Any, Literal, Union

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "FORMAT",
    "VERSION",
    "BackendEntry",
    "Difference",
    "FileEntry",
    "Frame",
    "GenerateEntry",
    "HostCallEntry",
    "Input",
    "Manifest",
    "Operation",
    "Output",
    "Parity",
    "ProgramEntry",
    "Provider",
    "RangeEntry",
    "ReadEntry",
    "StageEntry",
    "Task",
    "Tensor",
    "Weight",
]

FORMAT = "composer-artifact"
VERSION = 5
Size = Union[int, str]


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class FileEntry(_Entry):
    """A file of the artifact."""

    sha256: str
    """Hash of the content, in hexadecimal."""
    bytes: int
    """Length of the content."""
    parts: list[str] = []
    """Hashes of its parts of 32 MiB, which loading compares on all cores; none for a file that is not longer."""


class RangeEntry(_Entry):
    """The sizes that a free dimension may have, both ends included."""

    low: int
    """Smallest size."""
    high: int
    """Largest size."""
    best: int
    """The size to be fastest at."""

    def __str__(self) -> str:
        return f"{self.low}..{self.high}"


Role = Literal["values", "mask", "ranked"]
"""What a tensor is for, as the kind of its port says."""


class Tensor(_Entry):
    """A tensor that goes into or out of a program."""

    name: str
    """`input.port`, `node.port` with the field of its record, or a part of a decoder's cache."""
    dtype: str
    """Number format, such as `float32`."""
    dims: list[Size]
    """Sizes: numbers, or sums over free dimensions such as `question.length + 197`."""
    role: Role = "values"
    """`mask`: 1 for what counts and 0 for padding. `ranked`: scores, of which the largest of a row is a choice."""
    masked_by: Union[str, None] = None
    """The name of the mask that says which of its rows count; null where all do."""


class ProgramEntry(_Entry):
    """One compiled program: a stage for some sizes."""

    file: str
    """Its file."""
    fixed: dict[str, int]
    """Free dimensions that have one size in this program."""
    ranges: dict[str, RangeEntry]
    """The sizes of the others."""
    weights: list[str | None]
    """The weights that it takes, in order, by their key in `weights`; null for one that it does not read."""
    operations: list[str]
    """The operations that it calls and that torch does not have, by their name in the manifest's `operations`."""


class StageEntry(_Entry):
    """A part of a task that runs as one tensor program."""

    name: str
    """`encode`, `encode-2` and so on, `<node>.prefill`, `<node>.decode`, or `finish`."""
    nodes: list[str]
    """Nodes of the document that it holds."""
    inputs: list[Tensor]
    """What goes in, in order."""
    outputs: list[Tensor]
    """What comes out, in order."""
    samples: Union[str, None] = None
    """The free dimension that counts samples, where each is computed by itself; null where they belong together."""
    programs: list[ProgramEntry]
    """The programs that cover its ranges; the first whose sizes fit is used."""


class Frame(_Entry):
    """What opens, ends and limits the texts of a search."""

    start: int
    """Id that opens every text."""
    ends: list[int]
    """Ids that end a text; the first is the one that a tokenizer knows."""
    pad: int
    """Id that fills the rows of a batch after their end."""
    min_tokens: int
    """No text ends before it has as many."""
    max_tokens: int
    """No text has more."""


class GenerateEntry(_Entry):
    """A node that generates text token by token."""

    node: str
    """Its name in the document."""
    decode: StageEntry
    """One step of the decoder."""
    batch: str
    """The free dimension that counts its samples."""
    first: str | None
    """Name of the logits of the first token, where a prompt gives them before the first step."""
    policy: str
    """Id of the search policy."""
    config: dict[str, Any]
    """Its options."""
    beams: int
    """Texts of each sample that it follows at a time."""
    streams: bool
    """Whether it gives tokens as they are found."""
    framing: Frame
    """What opens, ends and limits the texts."""
    text: Input
    """The text modality with the vocabulary that turns ids into text."""
    ports: dict[str, str]
    """Port of the node (`text`, `ids`, `score`) to the name of the value."""


class HostCallEntry(_Entry):
    """A node that works on the host, such as one that cuts a generated text."""

    node: str
    """Its name in the document."""
    uses: str
    """Id of its module type, which has no weights."""
    config: dict[str, Any]
    """Its config."""
    sources: dict[str, Union[str, list[str]]]
    """Input port to the name of the value, or of several."""
    ports: dict[str, str]
    """Output port to the name of the value."""


class ReadEntry(_Entry):
    """A node that reads what another node wrote, such as a text, as an input of a modality is read."""

    node: str
    """Its name in the document."""
    read: Input
    """The modality, and the ports of the node with their types."""
    sources: dict[str, str]
    """Input port to the name of the value."""
    sizes: dict[str, str]
    """Symbol of its ports to the free dimension that it is."""
    ranges: dict[str, RangeEntry]
    """The sizes that the programs take of it, by free dimension."""
    limits: dict[str, tuple[int, int]]
    """Symbol of its ports to the sizes that the modules take, both ends included."""


class Input(_Entry):
    """A raw input and the modality that reads it."""

    modality: str
    """Id of a registered modality."""
    config: dict[str, Any]
    """Its config; a field of `files` is filled in when the artifact is loaded."""
    files: dict[str, str]
    """Config field to the file of the artifact that it names."""
    ports: dict[str, str]
    """Host port to its type, such as `states[B, N, 768]`; a symbol is one size in the whole task."""
    several: tuple[int, int] | None = None
    """Fewest and most values that a sample has, where that is not one: then `items` is one of the ports."""
    default: Any = None
    """The raw value of a sample that comes without one; null where each brings its own."""


class Output(_Entry):
    """A result of a task."""

    kind: str
    """Kind of the value; `text` is a string."""
    values: list[str | None]
    """The named values that it is made of, one per field of the kind; null for a field that is absent."""
    sizes: Union[list[Union[int, None]], None] = None
    """The size of each dimension, null for one that is free; null where an artifact does not say them."""


class MetricEntry(_Entry):
    """A metric that scores a task."""

    uses: str
    """Id of a registered metric."""
    config: dict[str, Any]
    """Its config."""


class EvaluationEntry(_Entry):
    """How well the task does, as its document says or as is plain; only scoring reads it."""

    outputs: list[str]
    """The outputs that are scored together; none where that is not plain."""
    reference: Union[str, None]
    """What they are compared with: an input of the objective, or a column of the data; null where it is not plain."""
    metrics: dict[str, MetricEntry]
    """Name of a score to its metric."""
    classes: list[str] = []
    """The names of the classes of the reference, where it is an input that says them."""


class Task(_Entry):
    """A task, ready to run."""

    summary: str
    """One line for people."""
    precision: str
    """Number format of the programs, but for those of `precisions`: fp32, fp16 or bf16."""
    precisions: dict[str, str]
    """Node to its own number format."""
    inputs: dict[str, Input]
    """Raw inputs by name."""
    limits: dict[str, tuple[int, int]]
    """Symbol of the inputs' ports to the sizes that the modules take, both ends included."""
    given: list[Tensor]
    """The tensors that a request brings: every field of every raw input; a list of texts has the dtype `object`."""
    ranges: dict[str, RangeEntry]
    """The sizes that a request may have."""
    order: list[Union[StageEntry, GenerateEntry, HostCallEntry, ReadEntry]]
    """What runs, in order."""
    outputs: dict[str, Output]
    """Results by name."""
    evaluation: Union[EvaluationEntry, None] = None
    """How it is scored; null where nothing says it."""

    @property
    def programs(self) -> list[ProgramEntry]:
        """The programs of all its stages, in running order."""
        parts = [part for part in self.order if not isinstance(part, (HostCallEntry, ReadEntry))]
        stages = [part.decode if isinstance(part, GenerateEntry) else part for part in parts]
        return [program for stage in stages for program in stage.programs]


class Weight(_Entry):
    """A stored tensor."""

    dtype: str
    """Number format."""
    shape: list[int]
    """Sizes."""
    names: list[str]
    """`module.parameter`: where it stands in the document's modules."""


class Difference(_Entry):
    """How far an output of a compiled program lies from that of the live model."""

    output: str
    """Name of the output."""
    sizes: dict[str, int]
    """Sizes of the sample."""
    max_abs: float
    """Largest difference."""
    max_rel: float
    """Largest difference over the size of the largest value."""
    argmax: float | None = None
    """Share of rows whose largest value stands at the same place; null where that means nothing."""
    ids: float | None = None
    """Share of samples whose generated ids are the same; null where nothing is generated."""


class Parity(_Entry):
    """The comparison of a task with the live model when it was compiled."""

    tolerance: float
    """Largest accepted `max_rel`."""
    passed: bool
    """Whether every difference lay within it; false where the drift was accepted by hand, or nothing was measured."""
    differences: list[Difference]
    """What was found."""
    not_measured: str | None = None
    """Why nothing was compared: the programs are for another machine, where `composer verify` does it; else null."""


class BackendEntry(_Entry):
    """What made the programs, and what is needed to run them."""

    id: str
    """Id of the backend."""
    made_with: dict[str, str]
    """Versions, and what else must agree on the machine that runs it (`device`, `capability`)."""


class Provider(_Entry):
    """The plugin that offered something when the artifact was made."""

    plugin: str
    """Name of the plugin."""
    package: str
    """The package that brings it, with its version; empty for a plugin that belonged to none."""


class WeightsOrigin(_Entry):
    """What gave a module its weights when the artifact was made."""

    source: str
    """The name of the file, `package:name/file`, `hub:owner/name@revision/file`, or `fresh`."""
    commit: str = ""
    """The commit that the revision of a Hub repository stood for."""
    files: dict[str, str] = Field(default_factory=dict)
    """SHA-256 of every file, by its name."""


class Operation(_Entry):
    """An operation of torch that programs call and that torch itself does not have."""

    module_types: dict[str, Provider]
    """Module types whose code may register it, with the plugins that offer them."""


class Manifest(_Entry):
    """`manifest.json`."""

    format: Literal["composer-artifact"] = "composer-artifact"
    """Tells this file from any other JSON."""
    version: Literal[5] = 5
    """Version of the format."""
    name: str
    """Name of the document."""
    summary: str
    """Its summary."""
    command: str
    """The command that makes the artifact again, without `--out`: whoever shows it knows where the artifact lies."""
    backend: BackendEntry
    """What made the programs."""
    tasks: dict[str, Task]
    """Tasks by name."""
    weights: dict[str, Weight]
    """Stored tensors by key: the hash of number format, sizes and content."""
    parity: dict[str, Parity]
    """The comparison with the live model, by task."""
    requires: dict[str, dict[str, Provider]]
    """What running takes from installed plugins: `modalities`, `kinds`, `policies` and so on → id → who offered it."""
    operations: dict[str, Operation]
    """Operations of torch that a plugin's code registers, such as `plugin::operation`."""
    sources: dict[str, WeightsOrigin] = Field(default_factory=dict)
    """Modules of the document to where their weights come from."""
    files: dict[str, FileEntry]
    """Every other file of the artifact."""
    digest: str = Field(default="", pattern="^([0-9a-f]{64})?$")
    """SHA-256 of the manifest without this field: tells a damaged manifest."""


GenerateEntry.model_rebuild()
ReadEntry.model_rebuild()
