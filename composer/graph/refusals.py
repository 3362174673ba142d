"""Refused configs: every pydantic message mapped back to the key or value in the YAML that caused it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from composer.graph.meant import LEFT_OUT, meant_value
from composer.graph.parameter_blame import Refusal
from composer.language import Tree, shown, suggest_key
from composer.plugin import Config
from composer.problems import Note, Place, Problem, YamlPath
from composer.types.field_docs import documented

__all__ = ["Refusals"]

_WORD = re.compile(r"[A-Za-z_]\w*")
_IN_TEXT = re.compile(r"\$\{*\s*([A-Za-z_][\w-]*)")
SHOWN_VALUES = 3
WHOLE_VALUES = "`$name` is filled in as a whole value under `with`, not inside a text or a parameter"


@dataclass
class Refusals:
    """Tells of the configs of one document that were refused: in `problems`, and those of values in `refusals` too."""

    tree: Tree
    parameter_places: Mapping[str, Place]
    problems: list[Problem]
    refusals: list[Refusal]
    files: tuple[str, ...]
    """The files of the document, those that it extends before it."""

    def tell(
        self,
        error: ValidationError,
        model: type[Config],
        data: dict[str, object],
        path: YamlPath,
        owner: str,
    ) -> None:
        """Add a problem for each fault of a config; `path` and `owner` are those of `ConfigReader.read`."""
        faults = _one_each(error.errors(include_url=False), data)
        names = [field.alias or name for name, field in model.model_fields.items()]
        unknown = {str(f["loc"][-1]) for f in faults if f["type"] == "extra_forbidden"}
        misspelt = {suggest_key(word, names).word for word in unknown}
        kept: list[YamlPath] = []
        for fault in faults:
            location = fault["loc"]
            where = (*path, "with", *location)
            if fault["type"] == "extra_forbidden" and self._is_kept(where, path):
                kept.append(where)
            elif fault["type"] == "extra_forbidden":
                self._unknown_key(where, owner, names)
            elif fault["type"] == "missing":
                if location[-1] not in misspelt:
                    self._missing(path, owner, location, model)
            else:
                self._refused(fault, where, path, owner, data, model)
        if kept:
            self._kept(kept, path, owner, names)

    def _verb(self, path: YamlPath) -> YamlPath | None:
        """The path of what says which config is read."""
        verbs = ((*path, verb) for verb in ("uses", "modality", "generate", "call"))
        return next((verb for verb in verbs if self.tree.node(verb) is not None), None)

    def _is_younger(self, file: str, other: str) -> bool:
        """Whether a file extends another one."""
        return file in self.files and other in self.files and self.files.index(file) > self.files.index(other)

    def _is_kept(self, where: YamlPath, path: YamlPath) -> bool:
        """Whether an option was written for what a document that extends its file has replaced."""
        verb = self._verb(path)
        return verb is not None and self._is_younger(self.tree.place(verb).file, self.tree.file(where))

    def _kept(self, kept: list[YamlPath], path: YamlPath, owner: str, names: list[str]) -> None:
        """C101 at the line of the child, which changed what the options were for."""
        words = [str(where[-1]) for where in kept]
        notes = tuple(
            Note(self.tree.place(where, key=True), "kept from here") for where in kept[:SHOWN_VALUES]
        )
        shown_words = ", ".join(f"`{word}`" for word in words)
        message = f"{owner} has no option {shown_words}, which it keeps from {notes[0].place.file}"
        nulls = ", ".join(f"{word}: null" for word in words)
        helps = (
            f"remove what belongs to another one: `with: {{{nulls}}}`",
            f"{owner} takes {', '.join(names) or 'no options'}",
        )
        place = self.tree.place(self._verb(path) or path)
        self.problems.append(Problem("C101", "error", message, place, "changed here", notes, helps))

    def _unknown_key(self, where: YamlPath, owner: str, names: list[str]) -> None:
        place = self.tree.place(where, key=True)
        free = [name for name in names if self.tree.node((*where[:-1], name)) is None]
        meant = suggest_key(str(where[-1]), free, place, alone=self.tree.text(where) == "")
        helps = (*meant.helps, f"{owner} takes {', '.join(names) or 'no options'}")
        message = f"{owner} has no option `{where[-1]}`"
        self.problems.append(Problem("C101", "error", message, place, "unknown", helps=helps, fix=meant.fix))

    def _missing(self, path: YamlPath, owner: str, location: YamlPath, model: type[Config]) -> None:
        name = ".".join(map(str, location))
        field = documented(model).model_fields.get(str(location[0]))
        helps = (f"{name}: {field.description}",) if field is not None and field.description else ()
        has_with = self.tree.node((*path, "with")) is not None
        verb = self._verb(path)
        place = self.tree.place((*path, "with"), key=True)
        if verb is not None and (not has_with or self._is_younger(self.tree.place(verb).file, place.file)):
            place = self.tree.place(verb)
        self.problems.append(Problem("C206", "error", f"{owner} needs `{name}`", place, helps=helps))

    def _refused(
        self,
        fault: ErrorDetails,
        where: YamlPath,
        path: YamlPath,
        owner: str,
        data: dict[str, object],
        model: type[Config],
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
        helps: tuple[str, ...] = (WHOLE_VALUES,) if inside else ()
        if location and not inside:
            accepts = lambda value: _accepts(model, data, location, value)  # noqa: E731
            hint = meant_value(fault["input"], message, accepts)
            helps = (hint,) if hint is not None else _described(model, location)
            if isinstance(fault["input"], str) and fault["input"] in self.parameter_places:
                helps = (f"did you mean `${fault['input']}`? A parameter is written with its dollar", *helps)
        elif len(words) > 1 and not inside:
            helps = (f"give {' or '.join(f'`{word}`' for word in words)} another value",)
        value_at = at
        at, label, notes, helps = self._at_the_author(places, at, label, notes, helps, path)
        problem = Problem("C206", "error", text, at, label, tuple(notes), helps)
        self.problems.append(problem)
        read = {self._parameter(place): value for place, value in zip(places, values, strict=True)}
        known = {name: value for name, value in read.items() if name is not None}
        self.refusals.append(Refusal(problem, path, message, known, None not in read, value_at))

    def _at_the_author(
        self,
        places: list[YamlPath],
        at: Place,
        label: str,
        notes: list[Note],
        helps: tuple[str, ...],
        path: YamlPath,
    ) -> tuple[Place, str, list[Note], tuple[str, ...]]:
        """A value that was right until a younger document changed its parameter, or what it is for: told there."""
        verb = self._verb(path)
        if not places:
            return at, label, notes, helps
        parameters = [
            self.parameter_places[name] for name in map(self._parameter, places) if name is not None
        ]
        changed = next((place for place in parameters if self._is_younger(place.file, at.file)), None)
        if changed is not None:
            notes = [Note(at, "read here"), *(note for note in notes if note.place != changed)]
            return changed, label, notes, helps
        if verb is not None and self._is_younger(self.tree.place(verb).file, at.file):
            words = ", ".join(f"{place[-1]}: null" for place in places)
            cure = f"give it a value of its own, or remove what belongs to another one: `with: {{{words}}}`"
            notes = [Note(at, f"kept from here: {label}"), *notes]
            return self.tree.place(verb), "changed here", notes, (*helps, cure)
        return at, label, notes, helps

    def _names_parameter(self, text: str) -> bool:
        return any(word in self.parameter_places for word in _IN_TEXT.findall(text))

    def _parameter(self, where: YamlPath) -> str | None:
        """The parameter that a value comes from."""
        text = self.tree.text(where)
        if text is None or not text.startswith("$") or text[1:] not in self.parameter_places:
            return None
        return text[1:]

    def _parameter_note(self, where: YamlPath) -> list[Note]:
        name = self._parameter(where)
        return [] if name is None else [Note(self.parameter_places[name], f"${name} is set here")]


def _one_each(faults: Sequence[ErrorDetails], data: dict[str, object]) -> list[ErrorDetails]:
    """The faults with locations in the data, and one for a value that none of several types takes."""
    found: dict[tuple[YamlPath, bool], ErrorDetails] = {}
    for fault in faults:
        location = (
            fault["loc"] if fault["type"] in ("missing", "extra_forbidden") else _in_data(fault["loc"], data)
        )
        first = found.setdefault((location, fault["type"] == "missing"), {**fault, "loc": location})
        more = fault["msg"].removeprefix("Input should be ")
        if first["msg"] != fault["msg"] and more not in first["msg"]:
            first["msg"] = f"{first['msg']} or {more}"
    return list(found.values())


def _in_data(location: YamlPath, data: Any) -> YamlPath:
    """A location without the names of the types that pydantic tried there."""
    steps: list[str | int] = []
    for step in location:
        inside = isinstance(data, dict) and step in data
        if inside or (isinstance(data, list) and isinstance(step, int) and step < len(data)):
            data = data[step]
            steps.append(step)
    return tuple(steps)


def _accepts(model: type[Config], data: dict[str, object], location: YamlPath, value: object) -> bool:
    """Whether a config with another value at a place has no fault there."""
    try:
        changed = json.loads(json.dumps(data, default=str))
        at = changed
        for step in location[:-1]:
            at = at[step]
        if value is LEFT_OUT:
            del at[location[-1]]
        else:
            at[location[-1]] = value
        model.model_validate_json(json.dumps(changed))
    except ValidationError as error:
        return all(fault["loc"][: len(location)] != location for fault in error.errors(include_url=False))
    except (TypeError, ValueError, LookupError):
        return False
    return True


def _described(model: type[Config], location: YamlPath) -> tuple[str, ...]:
    """What an option is for, as a hint for a value that cannot be its own."""
    field = documented(model).model_fields.get(str(location[0]))
    text = " ".join((field.description or "").split()) if field is not None else ""
    return (f"{'.'.join(map(str, location))}: {text}",) if text else ()
