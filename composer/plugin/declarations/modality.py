"""Modalities: how raw values become typed ports."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from composer.plugin.declarations.base import Config, Declaration, OfConfig
from composer.types import PortType, VocabularyIds

__all__ = ["Modality"]


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

    Raises:
        ValueError: `limit` is not a field of the config, or a modality that nodes hand values to has a `prepare`.
    """

    noun: ClassVar[str] = "modality"
    references: ClassVar[tuple[str, ...]] = ("processor", "prepare", "sample")
    config: type[Config]
    ports: OfConfig[Mapping[str, str | PortType]]
    processor: str
    summary: str
    prepare: str | None = None
    shares_symbols: bool = False
    """Whether the author writes the symbols, so that one symbol means one size in all such inputs of a task."""
    host: OfConfig[Mapping[str, str | PortType]] | None = None
    files: OfConfig[Mapping[str, Path]] | None = None
    ranges: OfConfig[Mapping[str, tuple[int, int]]] | None = None
    limit: str | None = None
    """The config field that keeps its values to a size: what is told to set it where a module takes no larger ones."""
    counted: str = "entries"
    """What the sizes of its values count, in messages: "tokens"."""
    vocabulary: OfConfig[Mapping[str, VocabularyIds]] | None = None
    classes: OfConfig[Sequence[str]] | None = None
    """The names of the classes in the order of their ids, where its values are classes: data are held against them."""
    follows: OfConfig[Mapping[str, str]] | None = None
    """Port to another input of the task, whose values the first dimension of the port counts: both have the same
    samples, and `encode(values, counts)` is told how many values of each such input every sample has. Of a node that
    reads, it is the input port of the node that takes the `items` of those values."""
    default: OfConfig[object] | None = None
    """The raw value of a sample that comes without one; None, or no function, where each sample brings its own. What a
    document gives as `default` takes its place."""
    refuses: Callable[[Any, object], str] | None = None
    """Of a config and a raw value that a document gives: what is wrong with it, as far as it shows without being read;
    empty where nothing is."""
    names_files: bool = False
    """Whether a text that is given as a raw value is the path of a file: of rows that others wrote, only files below a
    folder that the user named are read."""
    light_processor: bool = False
    """Whether the processor is made without torch, of files alone: `composer check` then makes it where a document
    holds words that its tokenizer is to write, and tells those that it cannot."""
    words: OfConfig[Sequence[str]] | None = None
    """The config fields that hold words which the processor may refuse when it is made, perhaps none; only of one with
    a `light_processor`."""
    examples: tuple[Mapping[str, Any], ...] = ()
    """Configs with which `composer plugins show` asks for the ports, where they depend on more than numbers, and with
    which the conformance kit runs the processor."""
    reads: Mapping[str, str | PortType] | OfConfig[Mapping[str, str | PortType]] = field(default_factory=dict)
    """The input ports of a node that reads what another node wrote as an input of this modality is read, such as
    `{"text": "text[B]"}`, or a function of the config that gives them; none where values come from outside alone.
    Symbols are those of `ports`. Of several ports a raw value is a map with the value of each. Ports that `follows`
    names take `items[B, M]`, and are no part of a value."""
    sample: str | None = None
    """A function from the config to two raw values or more, with which the conformance kit runs the processor."""

    def __post_init__(self) -> None:
        if self.limit is not None and self.limit not in self.config.model_fields:
            raise ValueError(
                f"`limit` of the modality {self.id} is {self.limit!r}, which its config does not have"
            )
        if self.words is not None and not self.light_processor:
            raise ValueError(f"the modality {self.id} has `words`, so it has to have a `light_processor`")
        if self.reads and (self.prepare is not None or self.host is not None):
            raise ValueError(
                f"the modality {self.id} has `reads`, so it can have neither `prepare` nor `host`"
            )
