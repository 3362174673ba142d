"""Nodes that join and parse texts, on the host. A parser never fails: what it cannot parse has a defined result."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from torch import nn

from composer.plugin.templates import Placeholder, template_parts
from composer_core.patterns import Pattern
from composer_core.text_configs import (
    PARSED,
    WIDEST,
    ChoiceConfig,
    FieldType,
    FieldValue,
    JoinConfig,
    JsonConfig,
    PatternConfig,
    TextTemplateConfig,
    folded,
)

__all__ = ["build_choice", "build_join", "build_json", "build_pattern", "build_template"]

Texts = Sequence[str]
Ports = dict[str, Any]
Found = Mapping[str, object]
"""What a text says of the fields, before it is held to their types; without those that it does not name."""

MOST_OBJECTS = 64
"""Braces at which an object is looked for: a text of nothing but braces is not read as often as it has some."""
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_LONGEST_NUMBER = 40
_YES, _NO = frozenset({"true", "yes"}), frozenset({"false", "no"})
_EMPTY: dict[str, FieldValue] = {"text": "", "number": 0.0, "integer": 0, "flag": False}
_FORMATS = {"number": np.float64, "integer": np.int64, "flag": np.bool_}


class Template(nn.Module):
    """Fills the fields of a template with texts[B]. What is filled in is looked at no further."""

    def __init__(self, template: str) -> None:
        super().__init__()
        self.parts = template_parts(template)

    def forward(self, **fields: Texts) -> list[str]:
        return ["".join(self._filled(row)) for row in _rows(fields)]

    def _filled(self, row: Mapping[str, str]) -> Iterator[str]:
        return (row[part.name] if isinstance(part, Placeholder) else part for part in self.parts)


class Join(nn.Module):
    """Puts texts[B] of several nodes behind each other."""

    def __init__(self, separator: str) -> None:
        super().__init__()
        self.separator = separator

    def forward(self, *, parts: Sequence[Texts]) -> list[str]:
        return [self.separator.join(row) for row in zip(*parts, strict=True)]


class Fields(nn.Module):
    """Texts to typed fields, row by row: `find` gives what a text says, None where it says nothing of that form."""

    def __init__(
        self,
        types: Mapping[str, FieldType],
        default: Mapping[str, FieldValue],
        find: Callable[[str], Found | None],
        convert: Callable[[object, FieldType], object | None],
        max_characters: int,
    ) -> None:
        super().__init__()
        self.types, self.default = dict(types), dict(default)
        self.find, self.convert = find, convert
        self.max_characters = max_characters

    def forward(self, *, text: Texts) -> Ports:
        rows = [self._parsed(each) for each in text]
        found: Ports = {
            name: _column([values[name] for values, _ in rows], self.types[name]) for name in self.types
        }
        return {**found, PARSED: np.array([parsed for _, parsed in rows], dtype=np.bool_)}

    def _parsed(self, text: str) -> tuple[dict[str, object], bool]:
        """The value of every field of one text, and whether it has all that it must have."""
        found = self.find(text) if len(text) <= self.max_characters else None
        values: dict[str, object] = {}
        parsed = found is not None
        for name, type_ in self.types.items():
            value = None if found is None or found.get(name) is None else self.convert(found[name], type_)
            is_absent = found is not None and found.get(name) is None
            parsed &= value is not None or (is_absent and name in self.default)
            values[name] = self.default.get(name, _EMPTY[type_]) if value is None else value
        return values, parsed


class ChosenText(nn.Module):
    """The one of the allowed answers that each of texts[B] is, or names; a text that names several names none.

    Gives its words, its number, and whether there is one.
    """

    def __init__(self, config: ChoiceConfig) -> None:
        super().__init__()
        self.config = config
        self.numbers = {self._folded(choice): number for number, choice in enumerate(config.choices)}
        # The longest first: "dark red" is no "red".
        words = sorted(map(re.escape, self.numbers), key=len, reverse=True)
        self.named = re.compile(rf"(?<!\w)(?:{'|'.join(words)})(?!\w)")
        default = config.default
        self.default = "" if default is None else default
        self.missing = self.numbers.get(self._folded(self.default), -1)

    def forward(self, *, text: Texts) -> Ports:
        found = [self._chosen(each) for each in text]
        choices = self.config.choices
        return {
            "choice": [self.default if number is None else choices[number] for number in found],
            "classes": np.array(
                [self.missing if number is None else number for number in found], dtype=np.int64
            ),
            PARSED: np.array([number is not None for number in found], dtype=np.bool_),
        }

    def _chosen(self, text: str) -> int | None:
        if len(text) > self.config.max_characters:
            return None
        plain = self._folded(text)
        if plain in self.numbers:
            return self.numbers[plain]
        named = {self.numbers[match[0]] for match in self.named.finditer(plain)}
        return named.pop() if len(named) == 1 else None

    def _folded(self, text: str) -> str:
        return folded(text, ignore_case=self.config.ignore_case)


def _rows(fields: Mapping[str, Texts]) -> Iterator[dict[str, str]]:
    return (dict(zip(fields, row, strict=True)) for row in zip(*fields.values(), strict=True))


def _column(values: list[Any], type_: FieldType) -> Any:
    """The values of one field: texts stay a list, the others are an array."""
    return values if type_ == "text" else np.array(values, dtype=_FORMATS[type_])


def _from_text(value: object, type_: FieldType) -> object | None:
    """What a group of a pattern says, as a type; None where it says no such thing."""
    text = str(value).strip()
    if type_ == "text":
        return str(value)
    if type_ == "flag":
        word = text.casefold()
        return True if word in _YES else False if word in _NO else None
    if len(text) > _LONGEST_NUMBER or _NUMBER.fullmatch(text) is None:
        return None
    if type_ == "integer":
        return _whole(int(text)) if text.lstrip("+-").isdecimal() else None
    return _finite(float(text))


def _from_json(value: object, type_: FieldType) -> object | None:
    """The same of a value of an object: nothing but the type itself will do, a whole number for a number too."""
    if type_ == "text":
        return value if isinstance(value, str) else None
    if isinstance(value, bool) or type_ == "flag":
        return value if isinstance(value, bool) and type_ == "flag" else None
    if type_ == "integer":
        return _whole(value) if isinstance(value, int) else None
    if isinstance(value, int):
        return float(value) if abs(value) < WIDEST else None
    return _finite(value) if isinstance(value, float) else None


def _whole(value: int) -> int | None:
    return value if -WIDEST <= value < WIDEST else None


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _first_object(text: str) -> Found | None:
    """The first JSON object in a text, whatever stands around it."""
    decoder = json.JSONDecoder(parse_constant=_refuse)
    place = text.find("{")
    for _ in range(MOST_OBJECTS):
        if place < 0:
            break
        try:
            found, _ = decoder.raw_decode(text, place)
        except (ValueError, RecursionError):
            place = text.find("{", place + 1)
            continue
        return dict(found)
    return None


def _at(value: object, path: Sequence[str | int]) -> object | None:
    """What keys and numbers of entries lead to; None where they lead nowhere."""
    for step in path:
        if isinstance(value, dict) and isinstance(step, str):
            value = value.get(step)
        elif isinstance(value, list) and isinstance(step, int) and step < len(value):
            value = value[step]
        else:
            return None
    return value


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is not JSON")


def build_template(config: TextTemplateConfig) -> Template:
    return Template(config.template)


def build_join(config: JoinConfig) -> Join:
    return Join(config.separator)


def build_pattern(config: PatternConfig) -> Fields:
    pattern = Pattern(config.pattern, ignore_case=config.ignore_case)
    return Fields(config.types, config.default, pattern.find, _from_text, config.max_characters)


def build_json(config: JsonConfig) -> Fields:
    def find(text: str) -> Found | None:
        found = _first_object(text)
        if found is None:
            return None
        return {name: _at(found, config.paths.get(name, (name,))) for name in config.fields}

    return Fields(config.fields, config.default, find, _from_json, config.max_characters)


def build_choice(config: ChoiceConfig) -> ChosenText:
    return ChosenText(config)
