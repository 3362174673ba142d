"""The configs of the types that join and parse texts."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Literal, Union

from pydantic import Field, ValidationInfo, field_validator, model_validator
from typing_extensions import Self

from composer.plugin import Config, refuse_all

__all__ = [
    "PARSED",
    "WIDEST",
    "ChoiceConfig",
    "FieldType",
    "FieldValue",
    "JoinConfig",
    "JsonConfig",
    "PatternConfig",
    "StringConfig",
    "TextTemplateConfig",
    "folded",
]

FieldType = Literal["text", "number", "integer", "flag"]
FieldValue = Union[bool, int, float, str]
PARSED = "parsed"
"""The output that says whether a text was parsed."""
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
WIDEST = 1 << 63
"""Whole numbers lie below it, and not below its negative."""
_FITS: dict[str, tuple[type, ...]] = {
    "text": (str,),
    "number": (int, float),
    "integer": (int,),
    "flag": (bool,),
}


class StringConfig(Config):
    """`with` of an input of modality `string`."""

    max_characters: int | None = Field(default=None, ge=1)
    """A text with more characters is refused; unset takes any."""


class TextTemplateConfig(Config):
    """`with` of `core.text_template`."""

    template: str
    """A text with fields in braces, `the picture shows {caption}`: each is an input of the node. `{{` and `}}` write
    braces. What a field is filled with is text: braces in it mean nothing."""

    @field_validator("template")
    @classmethod
    def _has_fields(cls, value: str) -> str:
        from composer.plugin.templates import fields_in

        names = list(fields_in(value))
        if not names:
            raise ValueError("it has no field: name one in braces, such as `{caption}`")
        refuse_all(_no_ports(names))
        return value


class JoinConfig(Config):
    """`with` of `core.text_join`."""

    separator: str = " "
    """What stands between two texts."""


class _FieldsConfig(Config):
    """Fields with a type each, and what they are where a text does not say."""

    default: dict[str, FieldValue] = Field(default_factory=dict)
    """Field to its value where the text has none. Unset, a text is empty, a number 0 and a flag false; and a text that
    lacks the field does not count as parsed."""

    def _wrong_defaults(self, types: Mapping[str, str]) -> Iterator[str]:
        for name, value in self.default.items():
            if name not in types:
                yield f"default names `{name}`, which is not a field ({', '.join(types)})"
                continue
            fits = isinstance(value, _FITS[types[name]]) and isinstance(value, bool) == (
                types[name] == "flag"
            )
            if not fits:
                yield f"the default of `{name}` is {value!r}, and the field is of type {types[name]}"
            elif isinstance(value, int) and not -WIDEST <= value < WIDEST:
                yield f"the default of `{name}` has more than 64 bits"


class PatternConfig(_FieldsConfig):
    """`with` of `core.parse_pattern`."""

    pattern: str
    """A regular expression of RE2 with named groups: `(?P<colour>\\w+) (?P<shape>\\w+)`. Each group is an output. It is
    looked for anywhere in the text; `^` and `$` hold it to the ends. RE2 takes neither backward references nor what
    looks ahead or behind, so that the time grows with the length of the text alone."""
    fields: dict[str, FieldType] = Field(default_factory=dict)
    """Group to its type: text, number, integer or flag; one that is not named here is text."""
    ignore_case: bool = False
    """Whether capital and small letters are the same."""
    max_characters: int = Field(default=4096, ge=1, le=65536)
    """A longer text is not parsed."""

    @field_validator("pattern")
    @classmethod
    def _is_pattern(cls, value: str) -> str:
        from composer_core.patterns import Pattern

        groups = Pattern(value).groups
        if not groups:
            raise ValueError("it has no named group: write what is looked for as `(?P<name>...)`")
        refuse_all(_no_outputs(groups))
        return value

    @model_validator(mode="after")
    def _fields_are_groups(self) -> Self:
        types = self.types
        strange = [
            f"fields names `{name}`, which is not a group of the pattern ({', '.join(types)})"
            for name in self.fields
            if name not in types
        ]
        refuse_all([*strange, *self._wrong_defaults(types)])
        return self

    @property
    def types(self) -> dict[str, FieldType]:
        """Group to its type, in the order of the pattern."""
        from composer_core.patterns import Pattern

        return {name: self.fields.get(name, "text") for name in Pattern(self.pattern).groups}


class JsonConfig(_FieldsConfig):
    """`with` of `core.parse_json`."""

    fields: dict[str, FieldType] = Field(min_length=1)
    """Key of the object to the type of its value: text, number, integer or flag. Each is an output."""
    paths: dict[str, tuple[str | int, ...]] = Field(default_factory=dict)
    """Field to the keys that lead to its value, where that is not a key of the object itself: `score: [result, 0,
    score]` is in the first entry of the list `result`."""
    max_characters: int = Field(default=65536, ge=1, le=1048576)
    """A longer text is not parsed."""

    @model_validator(mode="after")
    def _names_are_ports(self) -> Self:
        refuse_all([*_no_outputs(self.fields), *self._wrong_defaults(self.fields), *self._wrong_paths()])
        return self

    def _wrong_paths(self) -> Iterator[str]:
        for name, path in self.paths.items():
            if name not in self.fields:
                yield f"`paths` names {name}, which `fields` does not"
            elif not path or any(isinstance(step, int) and step < 0 for step in path):
                yield f"`paths`: the keys to {name} are one or more, and numbers count from 0"


class ChoiceConfig(Config):
    """`with` of `core.parse_choice`."""

    choices: tuple[str, ...] = Field(min_length=1)
    """The answers that are allowed. The output `classes` counts them from 0."""
    ignore_case: bool = True
    """Whether capital and small letters are the same."""
    default: str | None = None
    """What stands where a text names none of the choices, or several: one of them, or another word; unset, nothing."""
    max_characters: int = Field(default=65536, ge=1, le=1048576)
    """A longer text is not parsed."""

    @field_validator("choices", mode="before")
    @classmethod
    def _as_tuple(cls, value: object) -> object:
        return tuple(value) if isinstance(value, list) else value

    @field_validator("choices")
    @classmethod
    def _are_apart(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if any(not choice.strip() for choice in value):
            raise ValueError("a choice is empty")
        return value

    @model_validator(mode="after")
    def _differ(self) -> Self:
        seen: dict[str, str] = {}
        faults = []
        for choice in self.choices:
            first = seen.setdefault(folded(choice, ignore_case=self.ignore_case), choice)
            if first is not choice:
                faults.append(f"the choices `{first}` and `{choice}` are the same")
        refuse_all(faults)
        return self


def folded(text: str, *, ignore_case: bool) -> str:
    """A text as it is compared with another: white space is one space, and with `ignore_case` letters are small."""
    plain = " ".join(text.split())
    return plain.casefold() if ignore_case else plain


def _no_ports(names: Iterable[str]) -> Iterator[str]:
    for name in names:
        if NAME.fullmatch(name) is None:
            yield f"`{name}` cannot be the name of a port: use letters, digits and _"


def _no_outputs(names: Collection[str]) -> Iterator[str]:
    yield from _no_ports(names)
    if PARSED in names:
        yield f"`{PARSED}` is an output of every parser: call the field something else"
