"""Configs: `with` maps validated by pydantic models, every message mapped back to its YAML place."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

from pydantic import ValidationError

from composer.graph.folding import Refusal
from composer.language import Tree, shown, suggest_key
from composer.plugin import Config
from composer.problems import Note, Place, Problem
from composer.types.documented import documented

__all__ = ["ConfigReader"]

_WORD = re.compile(r"[A-Za-z_]\w*")
_IN_TEXT = re.compile(r"\$\{*\s*([A-Za-z_][\w-]*)")
SHOWN_VALUES = 3
WHOLE_VALUES = "`$name` is filled in as a whole value under `with`, not inside a text or a parameter"


@dataclass
class ConfigReader:
    """Validates configs of one document and explains refusals at the key or value that caused them."""

    tree: Tree
    parameter_places: dict[str, Place]
    problems: list[Problem]
    directories: Mapping[str, FilePath] = field(default_factory=dict)
    """Folder of each source file: a config may name files beside the document that wrote it."""
    cache: dict[tuple[Any, ...], Config] = field(default_factory=dict)
    refusals: list[Refusal] = field(default_factory=list)

    def read(
        self, model: type[Config], data: dict[str, Any], path: tuple[Any, ...], owner: str
    ) -> Config | None:
        """The validated config, or None after reporting (C101 unknown key, C206 refused value).

        `path` leads to the thing that has the `with`; `owner` is how messages call it.
        """
        try:
            text = json.dumps(data, default=str)
        except (TypeError, ValueError):
            text = "{}"
        folders = self._folders((*path, "with"), data)
        key = (id(model), text, *folders.items())
        config = self.cache.get(key)
        if config is None:
            try:
                config = self.cache[key] = model.model_validate_json(text, context={"folders": folders})
            except ValidationError as error:
                self._report(error, model, data, path, owner)
                return None
        return config

    def _folders(self, path: tuple[Any, ...], data: Mapping[str, Any]) -> dict[str, FilePath]:
        """The folder of the file that wrote each text: a parameter's value may stand in another than its `$name`."""
        folders = {}
        for name in (name for name, value in data.items() if isinstance(value, str)):
            written = self.tree.text((*path, name)) or ""
            place = self.parameter_places.get(written[1:]) if written.startswith("$") else None
            file = place.file if place is not None else self.tree.file((*path, name))
            if file in self.directories:
                folders[name] = self.directories[file]
        return folders

    def _report(
        self,
        error: ValidationError,
        model: type[Config],
        data: dict[str, Any],
        path: tuple[Any, ...],
        owner: str,
    ) -> None:
        faults = error.errors(include_url=False)
        names = [field.alias or name for name, field in model.model_fields.items()]
        unknown = {str(f["loc"][-1]) for f in faults if f["type"] == "extra_forbidden"}
        misspelt = {suggest_key(word, names).word for word in unknown}
        for fault in faults:
            location = fault["loc"]
            where = (*path, "with", *location)
            if fault["type"] == "extra_forbidden":
                self._unknown_key(where, owner, names)
            elif fault["type"] == "missing":
                if location[-1] not in misspelt:
                    self._missing(path, owner, location, model)
            else:
                self._refused(fault, where, path, owner, data)

    def _unknown_key(self, where: tuple[Any, ...], owner: str, names: list[str]) -> None:
        place = self.tree.place(where, key=True)
        free = [name for name in names if self.tree.node((*where[:-1], name)) is None]
        meant = suggest_key(str(where[-1]), free, place, alone=self.tree.text(where) == "")
        helps = (*meant.helps, f"{owner} takes {', '.join(names) or 'no options'}")
        message = f"{owner} has no option `{where[-1]}`"
        self.problems.append(Problem("C101", "error", message, place, "unknown", helps=helps, fix=meant.fix))

    def _missing(
        self, path: tuple[Any, ...], owner: str, location: tuple[Any, ...], model: type[Config]
    ) -> None:
        name = ".".join(map(str, location))
        field = documented(model).model_fields.get(str(location[0]))
        helps = (f"{name}: {field.description}",) if field is not None and field.description else ()
        has_with = self.tree.node((*path, "with")) is not None
        verb = next(
            (v for v in ("uses", "modality", "generate", "call") if self.tree.node((*path, v)) is not None),
            None,
        )
        place = (
            self.tree.place((*path, "with"), key=True)
            if has_with or verb is None
            else self.tree.place((*path, verb))
        )
        self.problems.append(Problem("C206", "error", f"{owner} needs `{name}`", place, helps=helps))

    def _refused(
        self, fault: Any, where: tuple[Any, ...], path: tuple[Any, ...], owner: str, data: dict[str, Any]
    ) -> None:
        message = fault["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
        location = fault["loc"]
        words = [] if location else [w for w in dict.fromkeys(_WORD.findall(message)) if w in data]
        places = [where] if location else [(*path, "with", word) for word in words]
        values = [fault["input"]] if location else [data[word] for word in words]
        names = [".".join(map(str, location))] if location else words
        notes: list[Note] = []
        for place, name, value in list(zip(places, names, values, strict=True))[:SHOWN_VALUES]:
            if place != places[0]:
                notes.append(Note(self.tree.place(place), f"{name} is {shown(value)}"))
            notes.extend(self._parameter_note(place))
        at = self.tree.place(places[0]) if places else self.tree.place((*path, "with"), key=True)
        label = f"{names[0]} is {shown(values[0])}" if places else ""
        text = f"{owner} refuses its config: {message}"
        inside = any(isinstance(value, str) and self._names_parameter(value) for value in values)
        helps = (WHOLE_VALUES,) if inside else ()
        problem = Problem("C206", "error", text, at, label, tuple(notes), helps)
        self.problems.append(problem)
        read = {self._parameter(place): value for place, value in zip(places, values, strict=True)}
        known = {name: value for name, value in read.items() if name is not None}
        self.refusals.append(Refusal(problem, path, message, known, None not in read))

    def _names_parameter(self, text: str) -> bool:
        return any(word in self.parameter_places for word in _IN_TEXT.findall(text))

    def _parameter(self, where: tuple[Any, ...]) -> str | None:
        """The parameter that a value comes from."""
        text = self.tree.text(where)
        if text is None or not text.startswith("$") or text[1:] not in self.parameter_places:
            return None
        return text[1:]

    def _parameter_note(self, where: tuple[Any, ...]) -> list[Note]:
        name = self._parameter(where)
        return [] if name is None else [Note(self.parameter_places[name], f"${name} is set here")]
