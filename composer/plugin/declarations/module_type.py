"""Module types: their methods, and how some of them generate."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from composer.plugin.declarations.base import Config, Declaration, OfConfig
from composer.plugin.declarations.search import GenerateOptions
from composer.types import PortType, Signature

__all__ = ["Generation", "Method", "ModuleType", "Vocabulary"]


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
    mixes_samples: str = ""
    """Why what it gives for a sample depends on those beside it, such as "it draws among them"; empty promises that it
    does not."""


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
    vocabulary: OfConfig[Vocabulary]
    options: type[GenerateOptions] = GenerateOptions
    prompt: tuple[str, ...] = ()
    """The input ports that make the prompt; none for a decoder that begins with the start token."""
    not_exportable: str = ""
    """Why `torch.export` cannot take its start, its prefill and its step; empty where it can."""
    own_start: bool = False
    """Whether its texts are opened by a token of its own, whatever its tokenizer opens texts with."""

    @property
    def opens_as_its_tokenizer(self) -> bool:
        """Whether its start is the one that its tokenizer has; a decoder with a prompt is never fed one."""
        return not self.prompt and not self.own_start


@dataclass(frozen=True)
class ModuleType(Declaration):
    """A registered builder: config model, signatures, and the class or function `builder(config)` that makes it."""

    noun: ClassVar[str] = "module type"
    references: ClassVar[tuple[str, ...]] = ("builder", "names")
    config: type[Config]
    methods: Mapping[str, Method]
    builder: str
    summary: str
    stateless: bool = False
    generation: Generation | None = None
    adapter: Callable[[PortType, PortType], Mapping[str, Any] | None] | None = None
    """Config with which one such module turns the first port type into the second, or None: for hints and `--fix`."""
    made_for: OfConfig[Mapping[str, Mapping[str, Any]]] | None = None
    """`made_for(config)` says how the inputs were prepared that the module's weights learned from: by the id of a
    modality what an input's `with` would say, such as `{"image": {"size": 224, "mean": [0.5, 0.5, 0.5]}}`. An input
    takes it over with `for: MODULE`, and one that says otherwise is told."""
    layout: OfConfig[str | None] | None = None
    """`layout(config)` names the layout of checkpoints that are the module's alone, where a document names none."""
    names: Mapping[str, str] = field(default_factory=dict)
    """Config field → a function that gives the values it takes, where these are hundreds: for people who search them
    with `composer plugins list PATTERN`, and for no check. What follows a dot is a variant of what is before."""
    for_training: bool = False
    """Whether only objectives use it, such as what hides tokens that are to be told: no flow that answers is proposed
    with it."""
    examples: tuple[Mapping[str, Any], ...] = ()
    """Configs with which the conformance kit builds the type; empty takes the defaults."""
    version: str = "1"
