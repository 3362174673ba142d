"""Parameters: typed by their defaults, overridden by `--set`, and filled in where a value reads `$name`."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from typing import Any

from composer.language.models import WHOLE
from composer.language.schema12 import resolve_scalar, scalar_value, shown
from composer.language.source import Source
from composer.language.tree import Tree, construct
from composer.language.validation import type_name
from composer.language.yaml_nodes import compose
from composer.problems import DocumentError, Findings, Note, Place, Problem, YamlPath
from composer.problems.suggest import listed, suggest

__all__ = [
    "COMMAND_LINE",
    "Parameters",
    "apply_settings",
    "key_of_parameter",
    "read_value",
    "removal",
    "wrong_type",
]

COMMAND_LINE = "<command line>"
_WHOLE = {WHOLE}


def key_of_parameter(text: str | None, path: YamlPath, places: Container[str]) -> str | None:
    """The key under which `places` has the parameter that a value `$name` at a path reads; None where it reads none.

    Those of a piece stand there as `piece/name`, and inside it they come before those of the document.
    """
    if text is None or not text.startswith("$"):
        return None
    inner = f"{path[1]}/{text[1:]}" if path[:1] == ("pieces",) else text[1:]
    return next((key for key in (inner, text[1:]) if key in places), None)


@dataclass
class Parameters:
    """Values by name, where each was given, and which of them were used."""

    findings: Findings
    values: dict[str, Any]
    places: dict[str, Place]
    used: set[str] = field(default_factory=set)
    removed: Mapping[str, Place] = field(default_factory=dict)
    """Parameters of an extended document that one which extends it removes, and where."""
    sections: tuple[YamlPath, ...] = (("parameters",),)
    """Where they are declared."""

    @property
    def are_unread(self) -> bool:
        """Whether the parameters as a whole could not be read: an unknown one is then no problem of its own."""
        return any(map(self.findings.is_silent, self.sections))

    def fill(self, value: object, path: YamlPath, tree: Tree, owner: YamlPath = ()) -> object:
        """Replace `$name` by its value, in maps and lists too; `$$x` is the text `$x`.

        Where there is no such parameter, the `owner` of the value is silenced.
        """
        if isinstance(value, str):
            return self._filled(value, path, tree, owner) if value.startswith("$") else value
        if isinstance(value, dict):
            if value.keys() == _WHOLE:
                return self._whole(value[WHOLE], path, tree, owner)
            return {key: self.fill(item, (*path, key), tree, owner) for key, item in value.items()}
        if isinstance(value, list):
            return [self.fill(item, (*path, index), tree, owner) for index, item in enumerate(value)]
        return value

    def _whole(self, text: str, path: YamlPath, tree: Tree, owner: YamlPath) -> dict[str, object]:
        """The map of options that a parameter is; C102 for one that is something else."""
        found = self._filled(text, path, tree, owner)
        if isinstance(found, dict):
            return dict(found)
        if text[1:] in self.values:
            self.findings.silence(owner)
            message = f"`with` must be a map, and `{text}` is {type_name(found)}"
            notes = (Note(self.places[text[1:]], f"{text} is set here"),) if text[1:] in self.places else ()
            helps = (f"write the option that `{text}` is meant for: `with: {{NAME: {text}}}`",)
            self.findings.add(Problem("C102", "error", message, tree.place(path), "", notes, helps))
        return {}

    def _filled(self, text: str, path: YamlPath, tree: Tree, owner: YamlPath) -> object:
        if text.startswith("$$"):
            return text[1:]
        name = text[1:]
        if name in self.values:
            self.used.add(name)
            return self.values[name]
        self.findings.silence(owner)
        if self.are_unread:
            return None
        place = tree.place(path)
        meant = suggest(name, self.values, place, form="${}", coined=True, used=self.used)
        known = listed(f"${name}", [f"${known}" for known in self.values])
        helps = (*meant.helps, f"declared parameters: {known}; `$$` writes a literal dollar")
        message, notes, fix = f"there is no parameter `{name}`", tuple[Note, ...](), meant.fix
        if name in self.removed:
            message, notes, helps = removal(message, self.removed[name])
            fix = ()
        self.findings.add(Problem("C103", "error", message, place, "", notes, helps, fix))
        return None


def removal(message: str, place: Place) -> tuple[str, tuple[Note, ...], tuple[str, ...]]:
    """Message, notes and hints for what is missed because a document removes it from the one that it extends."""
    helps = ("keep it, or remove what refers to it too",)
    return f"{message}: {place.file}:{place.line} removes it", (Note(place, "removed here"),), helps


def read_value(text: str) -> Any:
    """A text of the command line as a YAML value; what is none stays a text."""
    try:
        if text.startswith(("[", "{")):
            values, problems = construct(compose(Source(COMMAND_LINE, f"value: {text}")))
            return text if problems else values["value"]
        return scalar_value(resolve_scalar(text), text)
    except (DocumentError, ValueError):
        return text


def apply_settings(parameters: Parameters, settings: Mapping[str, Any], source_text: str) -> None:
    """Override defaults with `--set` values, each checked against the type of the default (codes C103, C105).

    A text given for a parameter that is not a text is read as a YAML value, as the command line gives nothing but text.
    """
    for name, given in settings.items():
        column = source_text.find(f"{name}=") + 1
        place = Place(COMMAND_LINE, 1, max(column, 1), 1, max(column, 1) + len(name))
        if name not in parameters.values:
            if parameters.are_unread:
                continue
            meant = suggest(name, parameters.values, place)
            helps = (*meant.helps, f"parameters: {listed(name, parameters.values)}")
            message = f"--set {name}: the document has no parameter `{name}`"
            parameters.findings.add(Problem("C103", "error", message, place, helps=helps))
            continue
        parameters.used.add(name)
        textual = isinstance(given, str) and not isinstance(parameters.values[name], str)
        value = read_value(given) if textual else given
        problem = wrong_type(name, parameters.values[name], value, place, parameters.places[name], "--set ")
        if problem is not None:
            parameters.findings.add(problem)
            continue
        parameters.values[name] = value
        parameters.places[name] = place


def wrong_type(
    name: str, default: object, value: object, place: Place, declared: Place, verb: str = ""
) -> Problem | None:
    """The problem of a value whose type differs from its default's, or None. A whole number serves as a float."""
    same = type(default) is type(value) or (type(default) is float and type(value) is int) or default is None
    if same:
        return None
    wanted = "a whole number" if type(default) is int else type_name(default)
    found = repr(value) if type(value) is float else type_name(value)
    message = f"{verb}{name} must be {wanted} like its default {shown(default)}, not {found}"
    return Problem("C105", "error", message, place, notes=(Note(declared, f"default {shown(default)}"),))
