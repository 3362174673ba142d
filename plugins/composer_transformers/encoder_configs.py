"""The configs of the encoders: a family with its sizes, or the folder of a published model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field, JsonValue, ValidationInfo, field_validator, model_validator
from typing_extensions import Self

from composer.plugin import Config
from composer_transformers.encoder_families import EncoderFamily, Sort, families_of
from composer_transformers.encoder_sizes import Sizes
from composer_transformers.model_folder import (
    config_of,
    folder_named,
    hold_family,
    hold_one_source,
    preprocessor_config_of,
    tokenizer_in,
)

__all__ = [
    "LibraryAudioConfig",
    "LibraryDualConfig",
    "LibraryEncoderConfig",
    "LibraryTextConfig",
    "LibraryVisionConfig",
]


class LibraryEncoderConfig(Config):
    """What the encoders have in common: `family` and `config`, or `folder`."""

    sort: ClassVar[Sort] = "text"

    family: str | None = None
    """A family of encoders, by its name in transformers."""
    config: dict[str, JsonValue] = Field(default_factory=dict)
    """With `family`: what differs from the library's defaults, by its names such as `hidden_size`."""
    folder: str | None = None
    """The folder of a published model, `package:name/folder` or `hub:owner/name@revision`: its config.json says family
    and sizes; tokenizer.json and preprocessor_config.json how texts and pictures are prepared. Weights are named apart,
    with `weights`."""

    @field_validator("family")
    @classmethod
    def _known_family(cls, value: str | None) -> str | None:
        return hold_family(value, families_of(cls.sort))

    @field_validator("folder")
    @classmethod
    def _held_folder(cls, value: str | None, info: ValidationInfo) -> str | None:
        """It becomes absolute."""
        if value is None:
            return None
        folder = folder_named(value, info)
        _row_of(folder, config_of(folder), cls.sort)
        return str(folder.absolute())

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        hold_one_source(self.family, self.config, self.folder, self._faults)
        return self

    def _faults(self) -> Iterator[str]:
        from composer_transformers.encoder_signatures import hold_sizes

        try:
            hold_sizes(self)
        except ValueError as error:
            if self.folder is None:  # nothing else can be at fault, and it may be several names
                raise
            yield str(error)

    @cached_property
    def row(self) -> EncoderFamily:
        """The family."""
        if self.folder is not None:
            return _row_of(Path(self.folder), config_of(Path(self.folder)), self.sort)
        assert self.family is not None
        return families_of(self.sort)[self.family]

    @cached_property
    def values(self) -> Mapping[str, Any]:
        """What the library's config is made of."""
        if self.folder is None:
            return self.config
        found = config_of(Path(self.folder))
        own = found.get(self.row.inside) if self.row.inside else None
        return own if isinstance(own, dict) else found

    @cached_property
    def sizes(self) -> Sizes:
        """The sizes."""
        where = "config" if self.folder is None else str(Path(self.folder) / "config.json")
        return Sizes(self.row.config_class, self.values, where)

    @property
    def tokenizer(self) -> str | None:
        """The tokenizer of the folder."""
        return None if self.folder is None else tokenizer_in(Path(self.folder))

    @property
    def preprocessor(self) -> Mapping[str, Any]:
        """The preprocessor_config.json of the folder; empty where there is none."""
        return {} if self.folder is None else preprocessor_config_of(Path(self.folder))


class LibraryTextConfig(LibraryEncoderConfig):
    """`with` of `transformers.text_encoder`: `family` (bert, roberta, distilbert, mpnet, modernbert, deberta-v2) and
    `config`, or `folder`."""

    sort = "text"


class LibraryVisionConfig(LibraryEncoderConfig):
    """`with` of `transformers.vision_encoder`: `family` (vit, dinov2, clip, siglip, swin, convnext, videomae) and
    `config`, or `folder`."""

    sort = "vision"


class LibraryAudioConfig(LibraryEncoderConfig):
    """`with` of `transformers.audio_encoder`: `family` (whisper, wav2vec2, ast) and `config`, or `folder`."""

    sort = "audio"


class LibraryDualConfig(LibraryEncoderConfig):
    """`with` of `transformers.dual_encoder`: `family` (clip, siglip) and `config` (with `vision_config` and
    `text_config`), or `folder`."""

    sort = "dual"


def _row_of(folder: Path, config: Mapping[str, JsonValue], sort: Sort) -> EncoderFamily:
    """The family that a published config names. Raises ValueError where there is no such one."""
    model_type, known = config.get("model_type"), families_of(sort).values()
    for family in known:
        inside = family.inside and isinstance(config.get(family.inside), dict)
        if model_type == family.model_type or (inside and model_type == family.name):
            return family
    types = ", ".join(dict.fromkeys(family.model_type for family in known))
    what = f"is a model of the type {model_type!r:.60}" if model_type else "does not say its model_type"
    raise ValueError(f"{folder / 'config.json'} {what}; {sort} encoders are read of the types {types}")
