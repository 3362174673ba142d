"""The config of `transformers.causal_lm`: a family with its sizes, or the folder of a published model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar

from pydantic import Field, JsonValue, ValidationInfo, field_validator, model_validator
from typing_extensions import Self

from composer.plugin import Config, Vocabulary, folder_of, is_file
from composer_transformers.families import CAUSAL_FAMILIES, Family
from composer_transformers.model_facts import ModelFacts, defaults_of, facts_of, special_ids
from composer_transformers.model_folder import (
    config_of,
    folder_named,
    generation_config_of,
    hold_family,
    hold_one_source,
    text_config_of,
    tokenizer_in,
    without_tokenizer,
)

__all__ = ["CausalConfig"]

ANY_TOKENIZER = "bert-uncased"
"""Of a module that is told none: it matters only where the module writes text, and is held against its size there."""


class CausalConfig(Config):
    """`with` of `transformers.causal_lm`: `family` and `config`, or `folder`."""

    families: ClassVar[Mapping[str, Family]] = CAUSAL_FAMILIES
    """Those that the type knows."""
    opening: ClassVar[tuple[str, ...]] = ("bos",)
    """Which of the library's special tokens opens a text, the first that the config names."""
    family: str | None = None
    """A family of decoder-only models: llama, smollm, qwen2, qwen3, mistral, gemma3, gpt2; of models that see, the
    language model inside: qwen2_vl, qwen2_5_vl."""
    config: dict[str, JsonValue] = Field(default_factory=dict)
    """With `family`: the sizes, by the names of transformers (`hidden_size`, `num_hidden_layers`, ...)."""
    folder: str | None = None
    """The folder of a published model, `package:name/folder` or `hub:owner/name@revision`: its config.json says family
    and sizes, generation_config.json which tokens end a text, tokenizer.json how texts are split. Weights are named
    apart, with `weights`."""
    tokenizer: str | None = None
    """As of a `text`: what makes text of ids, a tokenizer.json (or its folder) or a vocabulary. Left out, that of the
    folder."""
    start: int | None = Field(default=None, ge=0)
    """Id that stands for the start of a text; left out, the config's bos_token_id. A prompt is never opened by it."""
    end: int | None = Field(default=None, ge=0)
    """Id that ends a text; left out, the first eos_token_id of the config."""
    pad: int | None = Field(default=None, ge=0)
    """Id that fills a batch; left out, the config's pad_token_id, or else the end."""
    stop: list[int] | None = None
    """Further ids that end a text; left out, the other ones in eos_token_id."""

    @field_validator("family")
    @classmethod
    def _known_family(cls, value: str | None) -> str | None:
        return hold_family(value, cls.families)

    @field_validator("folder")
    @classmethod
    def _held_folder(cls, value: str | None, info: ValidationInfo) -> str | None:
        """It becomes absolute."""
        if value is None:
            return None
        folder = folder_named(value, info)
        _read(folder, cls.families)
        return str(folder.absolute())

    @field_validator("tokenizer")
    @classmethod
    def _beside_the_document(cls, value: str | None, info: ValidationInfo) -> str | None:
        """A file, or a folder that holds one, beside the document becomes absolute; a packaged name stays."""
        directory = folder_of(info)
        path = directory / value if directory is not None and value is not None else None
        is_there = path is not None and (is_file(path) or tokenizer_in(path) is not None)
        return str(path.absolute()) if path is not None and is_there else value

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        hold_one_source(self.family, self.config, self.folder, self._faults)
        return self

    def _faults(self) -> Iterator[str]:
        if self.folder is not None and self.tokenizer is None and tokenizer_in(Path(self.folder)) is None:
            yield f"{without_tokenizer(Path(self.folder))}: name one with `tokenizer`"
        try:
            vocabulary = self.facts.vocabulary
        except ValueError as error:
            if self.folder is None:  # nothing else can be at fault, and it may be several names
                raise
            yield str(error)
            return
        beyond: dict[int, str] = {}  # what is left out may be the same id
        for name, id_ in self.ids.items():
            if id_ >= vocabulary:
                beyond.setdefault(id_, name)
        for id_, name in beyond.items():
            yield f"{name} {id_} lies outside a vocabulary of {vocabulary} entries"

    @property
    def row(self) -> Family:
        """The family."""
        if self.folder is not None:
            return _read(Path(self.folder), self.families)[0]
        assert self.family is not None
        return self.families[self.family]

    @property
    def values(self) -> Mapping[str, JsonValue]:
        """What the library's config is made of."""
        return self.config if self.folder is None else _read(Path(self.folder), self.families)[1]

    @property
    def facts(self) -> ModelFacts:
        """The sizes."""
        where = "config" if self.folder is None else str(Path(self.folder) / "config.json")
        return facts_of(self.row, self.values, where=where, strict=self.folder is None)

    @property
    def ids(self) -> dict[str, int]:
        """start, end and pad."""
        ends, pad = self._ids_of("eos"), self._ids_of("pad")
        start = next((given for name in self.opening if (given := self._ids_of(name))), ())
        end = self.end if self.end is not None else next(iter(ends), 0)
        found = {"start": self.start, "pad": self.pad}
        own = {"start": next(iter(start), end), "pad": next(iter(pad), end)}
        return {"end": end, **{name: own[name] if id_ is None else id_ for name, id_ in found.items()}}

    @property
    def own_tokenizer(self) -> str | None:
        """What it was told, or what lies in its folder."""
        if self.tokenizer is not None or self.folder is None:
            return self.tokenizer
        return tokenizer_in(Path(self.folder))

    def vocabulary(self) -> Vocabulary:
        """The ids that it writes, and what makes text of them."""
        ids = self.ids
        ends = self._ids_of("eos") if self.stop is None else tuple(self.stop)
        return Vocabulary(
            "text",
            {"tokenizer": self.own_tokenizer or ANY_TOKENIZER},
            **ids,
            size=self.facts.vocabulary,
            stop=tuple(id_ for id_ in dict.fromkeys(ends) if id_ != ids["end"]),
        )

    def _ids_of(self, name: str) -> tuple[int, ...]:
        generation = {} if self.folder is None else generation_config_of(Path(self.folder))
        return special_ids(name, generation, self.values, defaults_of(self.row))


def _read(folder: Path, families: Mapping[str, Family]) -> tuple[Family, Mapping[str, JsonValue]]:
    """The family that a published config names, and the config of what writes text, which a larger model holds inside.

    Raises ValueError where there is no such family.
    """
    config = config_of(folder)
    model_type = config.get("model_type")
    for family in families.values():
        if family.model_type == model_type:
            return family, config
        if family.inside and family.inside == model_type:
            return family, text_config_of(config, defaults_of(family), folder / "config.json")
    known = ", ".join(dict.fromkeys(family.model_type for family in families.values()))
    what = f"is a model of the type {model_type!r:.60}" if model_type else "does not say its model_type"
    raise ValueError(f"{folder / 'config.json'} {what}; models are read of the types {known}")
