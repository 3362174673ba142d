"""Refused configs: every pydantic message mapped back to the key or value in the YAML that caused it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from composer.graph.checked import VERBS
from composer.graph.meant import LEFT_OUT, meant_value
from composer.graph.parameter_blame import Refusal
from composer.graph.plain_refusals import plain_words
from composer.language import Tree, key_of_parameter, removal, shown, suggest_key
from composer.plugin import Config, is_file
from composer.plugin.declarations.base import REFUSED, config_of_json
from composer.problems import Findings, Note, Place, Problem, YamlPath
from composer.types.field_docs import documented, model_at

__all__ = ["Refusals"]

_WORD = re.compile(r"[A-Za-z_]\w*")
_IN_TEXT = re.compile(r"\$\{*\s*([A-Za-z_][\w-]*)")
_KEYS = ("missing", "extra_forbidden")
"""Types of faults whose location ends with a key that the model or the data lacks."""
SHOWN_VALUES = 3
WHOLE_VALUES = "`$name` is filled in as a whole value under `with`, not inside a text or a parameter"


@dataclass
class Refusals:
    """Tells of the configs of one document that were refused: in `findings`, and those of values in `refusals` too."""

    tree: Tree
    parameter_places: Mapping[str, Place]
    findings: Findings
    refusals: list[Refusal]
    files: tuple[str, ...]
    """The files of the document, those that it extends before it."""
    directories: Mapping[str, Path]
    """The folder of each."""
    removed: Mapping[YamlPath, Place]
    """What a document took from the one that it extends, and where."""

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
        unknown = [fault["loc"] for fault in faults if fault["type"] == "extra_forbidden"]
        misspelt = {
            (*location[:-1], suggest_key(str(location[-1]), list(_fields(model, location))).word)
            for location in unknown
        }
        kept = [location for location in unknown if self._is_kept((*path, "with", *location), path)]
        for fault in faults:
            location = fault["loc"]
            where = (*path, "with", *location)
            if fault["type"] == "extra_forbidden":
                if location not in kept:
                    self._unknown_key(where, _inside(owner, location), list(_fields(model, location)))
            elif fault["type"] == "missing":
                if location not in misspelt:
                    self._missing(path, owner, location, model)
            else:
                self._refused(fault, where, path, owner, data, model)
        if kept:
            self._kept(kept, path, owner, model)

    def _verb(self, path: YamlPath) -> YamlPath | None:
        """The path of what says which config is read."""
        verbs = ((*path, verb) for verb in VERBS)
        return next((verb for verb in verbs if self.tree.node(verb) is not None), None)

    def _is_younger(self, file: str, other: str) -> bool:
        """Whether a file extends another one."""
        return file in self.files and other in self.files and self.files.index(file) > self.files.index(other)

    def _is_kept(self, where: YamlPath, path: YamlPath) -> bool:
        """Whether an option was written for what a document that extends its file has replaced."""
        verb = self._verb(path)
        return verb is not None and self._is_younger(self.tree.place(verb).file, self.tree.file(where))

    def _kept(self, kept: list[YamlPath], path: YamlPath, owner: str, model: type[Config]) -> None:
        """C101 at the line of the child, which changed what the options were for."""
        words = [".".join(map(str, location)) for location in kept]
        notes = tuple(
            Note(self.tree.place((*path, "with", *location), key=True), "kept from here")
            for location in kept[:SHOWN_VALUES]
        )
        shown_words = ", ".join(f"`{word}`" for word in words)
        message = f"{owner} has no option {shown_words}, which it keeps from {notes[0].place.file}"
        nulls = ", ".join(map(_removal, kept))
        helps = [f"remove what belongs to another one: `with: {{{nulls}}}`"]
        for location in {location[:-1]: location for location in kept}.values():
            helps.append(_takes(_inside(owner, location), list(_fields(model, location))))
        place = self.tree.place(self._verb(path) or path)
        self.findings.add(Problem("C101", "error", message, place, "changed here", notes, tuple(helps)))

    def _unknown_key(self, where: YamlPath, owner: str, names: list[str]) -> None:
        place = self.tree.place(where, key=True)
        free = [name for name in names if self.tree.node((*where[:-1], name)) is None]
        meant = suggest_key(str(where[-1]), free, place, alone=self.tree.text(where) == "")
        helps = (*meant.helps, _takes(owner, names))
        message = f"{owner} has no option `{where[-1]}`"
        self.findings.add(Problem("C101", "error", message, place, "unknown", helps=helps, fix=meant.fix))

    def _missing(self, path: YamlPath, owner: str, location: YamlPath, model: type[Config]) -> None:
        name = ".".join(map(str, location))
        helps = _described(model, location)
        has_with = self.tree.node((*path, "with")) is not None
        verb = self._verb(path)
        place = self.tree.place((*path, "with", *location[:-1]), key=True)
        if verb is not None and (not has_with or self._is_younger(self.tree.place(verb).file, place.file)):
            place = self.tree.place(verb)
        message, notes = f"{owner} needs `{name}`", tuple[Note, ...]()
        gone = self.removed.get((*path, "with", *location))
        if gone is not None:
            message, notes, helps = removal(message, gone)
        self.findings.add(Problem("C206", "error", message, place, "", notes, helps))

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
        words_of_it = plain_words(message)
        text = f"{owner} refuses its config: {words_of_it}"
        inside = any(isinstance(value, str) and self._names_parameter(value) for value in values)
        helps: tuple[str, ...] = (WHOLE_VALUES,) if inside else ()
        if location and not inside:
            accepts = lambda value: _accepts(model, data, location, value)  # noqa: E731
            hint = meant_value(fault["input"], message, accepts)
            beside = self._beside_a_parent(fault["input"], self.tree.file(where))
            helps = (hint,) if hint is not None else beside or _described(model, location)
            if isinstance(fault["input"], str) and fault["input"] in self.parameter_places:
                helps = (f"did you mean `${fault['input']}`? A parameter is written with its dollar", *helps)
        elif len(words) > 1 and not inside:
            helps = (f"give {' or '.join(f'`{word}`' for word in words)} another value",)
        value_at = at
        at, label, notes, helps = self._at_the_author(places, at, label, notes, helps, path)
        problem = Problem("C206", "error", text, at, label, tuple(notes), helps)
        self.findings.add(problem)
        read = {self._parameter(place): value for place, value in zip(places, values, strict=True)}
        known = {name: value for name, value in read.items() if name is not None}
        self.refusals.append(Refusal(problem, path, words_of_it, known, None not in read, value_at))

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
            words = ", ".join(_removal(place[len(path) + 1 :]) for place in places)
            cure = f"give it a value of its own, or remove what belongs to another one: `with: {{{words}}}`"
            notes = [Note(at, f"kept from here: {label}"), *notes]
            return self.tree.place(verb), "changed here", notes, (*helps, cure)
        return at, label, notes, helps

    def _beside_a_parent(self, value: object, file: str) -> tuple[str, ...]:
        """The hint for a file that lies beside a document which the one that names it extends."""
        for parent in reversed(self.files):
            folder = self.directories.get(parent)
            if not isinstance(value, str) or folder is None or not self._is_younger(file, parent):
                continue
            if is_file(folder / value):
                return (
                    f"`{value}` lies beside {parent}, and a path begins at the document that writes it: "
                    f"copy the file beside {file}, or write its path, {folder / value}",
                )
        return ()

    def _names_parameter(self, text: str) -> bool:
        return any(word in self.parameter_places for word in _IN_TEXT.findall(text))

    def _parameter(self, where: YamlPath) -> str | None:
        """The parameter that a value comes from."""
        return key_of_parameter(self.tree.text(where), where, self.parameter_places)

    def _parameter_note(self, where: YamlPath) -> list[Note]:
        name = self._parameter(where)
        return (
            []
            if name is None
            else [Note(self.parameter_places[name], f"${name.rpartition('/')[2]} is set here")]
        )


def _one_each(faults: Sequence[ErrorDetails], data: dict[str, object]) -> list[ErrorDetails]:
    """The faults with locations in the data: one for a value that none of several types takes, none around another, and
    all that a validator told together.
    """
    found: dict[tuple[YamlPath, bool], ErrorDetails] = {}
    together: list[ErrorDetails] = []
    for fault in faults:
        if fault["type"] == REFUSED:
            together.append({**fault, "loc": _in_data(fault["loc"], data)})
            continue
        *above, last = fault["loc"] or ("",)
        is_key = fault["type"] in _KEYS
        location = (*_in_data(tuple(above), data), last) if is_key else _in_data(fault["loc"], data)
        first = found.setdefault((location, fault["type"] == "missing"), {**fault, "loc": location})
        more = fault["msg"].removeprefix("Input should be ")
        if first["msg"] != fault["msg"] and more not in first["msg"]:
            first["msg"] = f"{first['msg']} or {more}"
    around = {location[:length] for location, _ in found for length in range(len(location))}
    kept = [fault for (location, _), fault in found.items() if location not in around]
    return [*kept, *together]


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
        config_of_json(model, json.dumps(changed))
    except ValidationError as error:
        return all(fault["loc"][: len(location)] != location for fault in error.errors(include_url=False))
    except (TypeError, ValueError, LookupError):
        return False
    return True


def _described(model: type[Config], location: YamlPath) -> tuple[str, ...]:
    """What an option is for, as a hint for a value that cannot be its own; for an item, what its list is for."""
    documented(model)
    for length in range(len(location), 0, -1):
        field = _fields(model, location[:length]).get(str(location[length - 1]))
        if field is not None:
            text = " ".join((field.description or "").split())
            return (f"{'.'.join(map(str, location[:length]))}: {text}",) if text else ()
    return ()


def _fields(model: type[Config], location: YamlPath) -> dict[str, FieldInfo]:
    """The options that there are where one is, by their keys."""
    around = model_at(model, location[:-1])
    fields = {} if around is None else around.model_fields
    return {field.alias or name: field for name, field in fields.items()}


def _inside(owner: str, location: YamlPath) -> str:
    """How messages call what has an option: the owner of the config, or a map in it."""
    around = ".".join(map(str, location[:-1]))
    return f"`{around}` of {owner}" if around else owner


def _takes(owner: str, names: Sequence[str]) -> str:
    return f"{owner} takes {', '.join(names) or 'no options'}"


def _removal(location: YamlPath) -> str:
    """What a document writes to take an option from one that it extends: `search: {with: {beams: null}}`."""
    first, *rest = location
    return f"{first}: {{{_removal(tuple(rest))}}}" if rest else f"{first}: null"
