"""What a plugin offers, as light frozen values: no torch here, and implementations are named, not imported.

An implementation is written `"package.module:Name"` and imported when a task that needs it is built.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, model_validator
from typing_extensions import Self

from composer.types import PortType, Signature, VocabularyIds

__all__ = [
    "Backend",
    "Config",
    "Dataset",
    "Document",
    "GenerateOptions",
    "Generation",
    "Layout",
    "Method",
    "Metric",
    "Modality",
    "ModuleType",
    "NoConfig",
    "Rule",
    "SearchChoice",
    "SearchPolicy",
    "Vocabulary",
]


@dataclass(frozen=True)
class Declaration:
    """What every entry of the registry has, apart from its own parts."""

    noun: ClassVar[str] = "entry"
    """What people call it."""
    id: str
    plugin: str = field(default="", kw_only=True, compare=False, repr=False)
    """The plugin that registered it, with its distribution; the registry writes it."""

    @property
    def title(self) -> str:
        """How messages call it: ``module type `core.add` of the plugin core``."""
        return f"{self.noun} `{self.id}`" + (f" of the plugin {self.plugin}" if self.plugin else "")


class Config(BaseModel):
    """Base of every config model: unknown keys are errors, values are frozen, and no value is coerced silently.

    A docstring below a field describes it. Schemas are built at first use: most models of most plugins are not used.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True)


class NoConfig(Config):
    """The config of what takes no `with`."""


class SearchChoice(Config):
    """Which search policy finds the tokens, and its options. `search: ID` is short for `search: {uses: ID}`."""

    uses: str
    """Id of a registered search policy."""
    with_: dict[str, Any] = Field(default_factory=dict, alias="with")
    """Options of the search policy."""

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        if not isinstance(value, (str, dict, SearchChoice)):
            raise ValueError(
                "it names a search policy: `core.beam`, or `{uses: core.beam, with: {beams: 3}}`"
            )
        return {"uses": value} if isinstance(value, str) else value


class GenerateOptions(Config):
    """`with` of a `generate` node. Token counts include neither the start token nor padding."""

    min_tokens: int = Field(default=1, ge=0)
    """The end token is forbidden before this many tokens."""
    max_tokens: int = Field(default=20, ge=1)
    """Search ends at this length, finished or not."""
    search: SearchChoice = Field(default_factory=lambda: SearchChoice(uses="core.greedy"))
    """How the tokens are found: a search policy, or `{uses: POLICY, with: {...}}` with its options."""

    @model_validator(mode="after")
    def _min_below_max(self) -> Self:
        if self.min_tokens > self.max_tokens:
            raise ValueError(f"min_tokens {self.min_tokens} is more than max_tokens {self.max_tokens}")
        return self


@dataclass(frozen=True)
class Method:
    """One way to call a module.

    `signature(config)`, or `signature(config, options)` where the method has `options`, gives its ports; `attribute`
    is the implementation's method (`forward` unless said otherwise); its keyword arguments are the input ports and the
    fields of the options, and it returns a mapping from output port to value, or the value itself where it has one
    output.
    """

    signature: Callable[..., Signature]
    options: type[Config] | None = None
    attribute: str = "forward"
    summary: str = ""
    not_exportable: str = ""
    """Why `torch.export` cannot take it, such as "its shapes depend on the values of `counts`"; empty where it can."""


@dataclass(frozen=True)
class Vocabulary:
    """What a decoder writes: ids that a modality turns into values, and those that frame a sequence.

    `modality` is the id of the modality whose processor has a `tokenizer`, and `config` what its `with` would say.
    """

    modality: str
    config: Mapping[str, Any]
    start: int
    """Opens every sequence; a decoder that prefills is never fed it."""
    end: int
    """Ends a sequence."""
    pad: int
    """Fills the rows of a batch after their end."""
    size: int | None = None
    """How many ids the decoder scores; None where that is the tokenizer's own number."""
    stop: tuple[int, ...] = ()
    """Further ids that end a sequence as `end` does, such as the end of a turn; texts do not show them."""


@dataclass(frozen=True)
class Generation:
    """How a module type generates: the ports its memory and its prompt come from, and the vocabulary that it writes.

    `vocabulary(config)` says which ids it writes and what makes text of them. The implementation is a
    `composer.plugin.Decoder`: `start(<memory ports>, beams=, max_tokens=) -> cache` and
    `step(ids[B, K], cache) -> (logits[B, K, V], cache)`. Where `prompt` names ports, these do not go to `start` but to
    `prefill(<prompt ports>, cache=) -> (logits[B, K, V], cache)`, which runs the whole prompt in one go and gives the
    scores of the first token; the start token is then never fed.
    """

    signature: Callable[..., Signature]
    vocabulary: Callable[[Any], Vocabulary]
    options: type[GenerateOptions] = GenerateOptions
    prompt: tuple[str, ...] = ()
    """The input ports that make the prompt; none for a decoder that begins with the start token."""
    not_exportable: str = ""
    """Why `torch.export` cannot take its start, its prefill and its step; empty where it can."""


@dataclass(frozen=True)
class ModuleType(Declaration):
    """A registered builder: config model, signatures, and the class or function `builder(config)` that makes it."""

    noun: ClassVar[str] = "module type"
    config: type[Config]
    methods: Mapping[str, Method]
    builder: str
    summary: str
    stateless: bool = False
    generation: Generation | None = None
    adapter: Callable[[PortType, PortType], Mapping[str, Any] | None] | None = None
    """Config with which one such module turns the first port type into the second, or None: for hints and `--fix`."""
    examples: tuple[Mapping[str, Any], ...] = ()
    """Configs with which the conformance kit builds the type; empty takes the defaults."""
    version: str = "1"


@dataclass(frozen=True)
class Modality(Declaration):
    """How a raw value becomes typed ports.

    `processor(config)` is a `composer.plugin.Processor`: `encode(list_of_raw) -> {host port: array or record}` (numpy,
    batch first), and its `tokenizer` where decoders write the modality; `prepare(config)` is an optional torch module
    that maps the host ports to `ports` inside the program (scaling, normalising). `host` gives the host ports where
    they differ from `ports`. `files(config)` gives the files that the processor reads, by the config field that names
    each: an artifact carries them with it.

    `ranges(config)` says which sizes the symbols of its ports can take, such as `{"L": (1, 50)}` for texts that are
    cut at 50 tokens: a module that takes less is an error before anything runs. `vocabulary(config)` says which ids a
    port carries, by its name; it reads sizes as data and loads no tokenizer.
    """

    noun: ClassVar[str] = "modality"
    config: type[Config]
    ports: Callable[[Any], Mapping[str, str | PortType]]
    processor: str
    summary: str
    prepare: str | None = None
    shares_symbols: bool = False
    """Whether the author writes the symbols, so that one symbol means one size in all such inputs of a task."""
    host: Callable[[Any], Mapping[str, str | PortType]] | None = None
    files: Callable[[Any], Mapping[str, Path]] | None = None
    ranges: Callable[[Any], Mapping[str, tuple[int, int]]] | None = None
    vocabulary: Callable[[Any], Mapping[str, VocabularyIds]] | None = None
    examples: tuple[Mapping[str, Any], ...] = ()
    """Configs with which `composer plugins show` asks for the ports, where they depend on more than numbers, and with
    which the conformance kit runs the processor."""
    sample: str | None = None
    """A function from the config to two raw values or more, with which the conformance kit runs the processor."""


@dataclass(frozen=True)
class Rule:
    """One rule of a layout: published keys that fully match `pattern` are renamed to `target`, or ignored.

    `target` may use the groups of `pattern` (`\\1`, `\\g<name>`) and reads `<module>.<parameter>`; None ignores the
    key, and `name` then says why in the loading report. `transform` names a function of the layout's `transforms`.
    An `optional` rule ignores its keys, under `name`, where the document declares no such module.
    """

    pattern: str
    target: str | None
    name: str = ""
    transform: str | None = None
    optional: bool = False


@dataclass(frozen=True)
class Layout(Declaration):
    """How a published checkpoint names its tensors and its config.

    `rules(parameters)` gives the rules in order of precedence, as data; `parameters(config)` maps the published config
    (the parsed JSON) to values of the document's parameters; `transforms` maps names to `"package.module:function"`s
    with the signature `(tensor, target_shape) -> tensor`. `initialised` names parameters (regular expressions on
    `<module>.<parameter>`) that a checkpoint may lack, with the reason.
    """

    noun: ClassVar[str] = "layout"
    summary: str
    rules: Callable[[Mapping[str, Any]], tuple[Rule, ...]]
    parameters: Callable[[Mapping[str, Any]], Mapping[str, Any]] | None = None
    transforms: Mapping[str, str] = field(default_factory=dict)
    initialised: Mapping[str, str] = field(default_factory=dict)
    roots: tuple[str, ...] = ()
    """Keys of a pickled checkpoint under which the tensors lie, tried in order (`model`, `module`)."""


@dataclass(frozen=True)
class Document(Declaration):
    """A document that a plugin ships, found by name in `extends`, `check`, `run`."""

    noun: ClassVar[str] = "document"
    path: Path
    summary: str = ""
    weights: Path | None = None


def _one(config: Any) -> int:
    return 1


def _never(config: Any) -> bool:
    return False


@dataclass(frozen=True)
class SearchPolicy(Declaration):
    """How a generated text is found: which tokens follow, and when a text ends. It knows nothing of decoders.

    `implementation(config=, framing=)` is a `composer.plugin.SearchPolicyImplementation`, `framing` a
    `composer.plugin.Framing`. `beams(config)` says how many texts of each sample it follows at a time, and
    `streams(config)` whether it has a `stream` that gives the tokens of one sample as they are found. What a `seeded`
    policy finds depends on chance: its `search` and `stream` take a whole number as `seed=`.
    """

    noun: ClassVar[str] = "search policy"
    implementation: str
    summary: str
    config: type[Config] = NoConfig
    """Its options: `with` beside the `uses` of a `search`."""
    beams: Callable[[Any], int] = _one
    streams: Callable[[Any], bool] = _never
    seeded: bool = False
    examples: tuple[Mapping[str, Any], ...] = ()
    """Options with which the conformance kit searches; empty takes the defaults."""
    formerly: str = ""
    """What documents wrote as `penalty` for it, before a search had options of its own. It is still understood."""


@dataclass(frozen=True)
class Dataset(Declaration):
    """Training or evaluation data: `builder(config)` gives a `composer.plugin.DatasetImplementation`: `splits`, the
    names of those that are scored and perhaps `train`, and `samples(split, epoch=0)`, a sequence of maps from field to
    value. Each epoch of `train` has equally many; a sample's field `name` is what messages call it.
    """

    noun: ClassVar[str] = "dataset"
    config: type[Config]
    builder: str
    summary: str
    packages: tuple[str, ...] = ()
    """Distributions that the samples come from: their versions are kept in the record of a run."""


@dataclass(frozen=True)
class Metric(Declaration):
    """A score over predictions and references: `implementation(predictions, references) -> float`
    (`composer.plugin.MetricImplementation`).
    """

    noun: ClassVar[str] = "metric"
    implementation: str
    summary: str
    takes: tuple[str, ...] = ()
    """Kinds of the outputs that it can score, such as `("text",)`; empty where any will do."""


@dataclass(frozen=True)
class Backend(Declaration):
    """A compile backend: what turns a stage into something that runs without the model code.

    `builder()` is an object with the methods of `composer_compile.backends.contract.Builder`, `loader()` one with those
    of `Loader` there: who runs an artifact imports the loader alone. `extra` names what to install for it
    (`pip install "multimodal-composer[tensorrt]"`).
    """

    noun: ClassVar[str] = "backend"
    builder: str
    loader: str
    summary: str
    extra: str | None = None
