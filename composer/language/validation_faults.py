"""Faults in the shape of a document: every pydantic message mapped to the place in the YAML that caused it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from composer.language.schema12 import STR
from composer.language.shape_problems import is_too_deep, keys_known_at, path_of_fault, shape_problem
from composer.language.tree import Tree, suggest_key
from composer.language.validation import Form, Shape
from composer.problems import Findings, Problem, YamlPath

__all__ = ["shaped_in_part"]


_INSTEAD: Mapping[str, tuple[str, ...]] = {"uses": ("average_of",)}
"""What may stand in place of a required key: misspelt, it says already why that one is missing."""


def shaped_in_part(
    form: Form[Shape], data: dict[str, object], tree: Tree, findings: Findings, *, partial: bool
) -> Shape | None:
    """What is left of data once all that is faulty is dropped, as `shaped` gives it back."""
    told = _Told(findings)
    for _ in range(8):  # each round drops what was faulty; nested faults surface at most a few levels deep
        try:
            return form.model.model_validate(data)
        except ValidationError as error:
            round_ = _Round(error.errors(include_url=False), data, tree, form)
        filled: list[YamlPath] = []
        dropped: list[YamlPath] = []
        for fault, found in round_.faults:
            path, problem = shape_problem(fault, tree, data, form)
            if fault["type"] == "missing" and found[-1] in form.stand_ins:
                filled.append(found)
            else:
                dropped.append(_without_items(path, data))
            # a missing parent says of a key that is missing, too, why it is
            follows = fault["type"] == "missing" and (partial or findings.is_silent(found))
            if not follows and not round_.explains(fault, found, path):
                told.tell(problem, fault, path)
        findings.silence(*dropped, *round_.meant_for_top)
        for path in sorted(set(dropped), key=len, reverse=True):
            _drop(data := _copied(data, path), path)
        data = _with_stand_ins(data, filled, form)
    return None


class _Told:
    """What was told, so that nothing is told twice."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._own = findings.scope()
        self._claimed: set[tuple[YamlPath, str]] = set()

    def tell(self, problem: Problem, fault: ErrorDetails, path: YamlPath) -> None:
        if problem.fix:
            claim = (path[:-1], problem.fix[0].text)
            if claim in self._claimed:  # two keys cannot both have been meant to be this one
                problem = replace(problem, fix=())
            self._claimed.add(claim)
        if not any(_tells(earlier, problem, fault) for earlier in self._own):
            self._findings.add(problem)


class _Round:
    """The faults of data that pydantic finds at once, and which of them follow from others."""

    def __init__(
        self, faults: Sequence[ErrorDetails], data: dict[str, object], tree: Tree, form: Form[BaseModel]
    ) -> None:
        self._data, self._tree, self._form = data, tree, form
        places = [path_of_fault(fault["loc"], data) for fault in faults]
        outer = {place[:length] for place in places for length in range(len(place))}
        self.faults = [
            (fault, place) for fault, place in zip(faults, places, strict=True) if place not in outer
        ]
        """With the path of each. Around another one there was a form that the value might have had: that says less."""
        self._misspelt = {_meant(f["loc"], data, form) for f in faults if f["type"] == "extra_forbidden"}
        self._empty = [place for fault, place in zip(faults, places, strict=True) if _left_out(fault)]

    @property
    def meant_for_top(self) -> list[YamlPath]:
        """The keys of the document that misspelt ones mean."""
        return [meant for meant in self._misspelt if meant is not None and len(meant) == 1]

    def explains(self, fault: ErrorDetails, found: YamlPath, path: YamlPath) -> bool:
        """Whether another fault says already why there is this one."""
        if any(_explains(place, found, fault, self._data, self._form) for place in self._empty):
            return True
        if fault["type"] == "string_type":
            return _names_unread(self._tree, path)
        instead = [(*fault["loc"][:-1], key) for key in _INSTEAD.get(str(fault["loc"][-1]), ())]
        return fault["type"] == "missing" and not self._misspelt.isdisjoint((fault["loc"], *instead))


def _with_stand_ins(
    data: dict[str, object], paths: list[YamlPath], form: Form[BaseModel]
) -> dict[str, object]:
    for path in paths:
        data = _copied(data, path[:-1])
        _at(data, path[:-1])[path[-1]] = form.stand_ins[str(path[-1])]
    return data


def _tells(told: Problem, problem: Problem, fault: ErrorDetails) -> bool:
    """Whether a problem says already what another would. Two keys that are missing are two, at one place."""
    same = (told.place, told.code) == (problem.place, problem.code)
    return same and (fault["type"] != "missing" or told.message == problem.message)


def _left_out(fault: ErrorDetails) -> bool:
    """Whether nothing stands where a map belongs: its content may stand below it, indented too little."""
    return fault["input"] is None and fault["type"] in ("dict_type", "model_type", "model_attributes_type")


def _explains(
    empty: YamlPath, path: YamlPath, fault: ErrorDetails, data: dict[str, object], form: Form[BaseModel]
) -> bool:
    """Whether a fault follows from an empty map before it: what should be inside stands beside it.

    That is an unknown key that resembles no known one after an empty key (`with:` and then the options), the keys of an
    empty entry that stand as entries beside it, and all that comes after a section which stands one level too deep
    (`tasks:` as the last of the modules).
    """
    around = empty[:-1]
    if len(path) < len(empty) or path[: len(around)] != around or path[: len(empty)] == empty:
        return False
    siblings = list(_at(data, around))
    key = path[len(around)]
    if not {key, empty[-1]} <= set(siblings) or siblings.index(key) < siblings.index(empty[-1]):
        return False
    if is_too_deep(empty, form) or (
        key in keys_known_at(empty, form) and key not in keys_known_at(around, form)
    ):
        return True
    unknown = fault["type"] == "extra_forbidden" and len(path) == len(empty)
    return (
        unknown
        and suggest_key(str(key), [k for k in keys_known_at(around, form) if k not in siblings]).word is None
    )


def _names_unread(tree: Tree, path: YamlPath) -> bool:
    """Whether a value that is not a text stands for a name that is none either: `call: 1` beside a module `1`."""
    text = tree.text(path) or ""
    names = {text, text.partition(".")[0]} - {""}
    around = [("modules",), *((*path[:2], section) for section in ("inputs", "nodes"))]
    keys = [tree.find((*w, name))[0] for w in around for name in names if tree.node((*w, name)) is not None]
    return any(key is not None and key.tag != STR for key in keys)


def _at(data: object, path: YamlPath) -> Any:
    for step in path:
        data = data.get(step, {}) if isinstance(data, dict) else {}
    return data if isinstance(data, dict) else {}


def _meant(location: YamlPath, data: dict[str, object], form: Form[BaseModel]) -> YamlPath | None:
    """The location of the key that an unknown one most likely means."""
    meant = suggest_key(str(location[-1]), keys_known_at(path_of_fault(location, data)[:-1], form)).word
    return (*location[:-1], meant) if meant is not None else None


def _copied(data: object, path: YamlPath) -> Any:
    """Copy the containers along a path, so that dropping below it leaves the caller's data alone."""
    copy = dict(data) if isinstance(data, dict) else list(data) if isinstance(data, list) else data
    if path and isinstance(copy, dict) and path[0] in copy:
        copy[path[0]] = _copied(copy[path[0]], path[1:])
    return copy


def _without_items(path: YamlPath, data: object) -> YamlPath:
    """The path up to the first list on its way: a list is dropped as a whole."""
    for length, step in enumerate(path):
        if isinstance(data, list):
            return path[:length]
        data = data.get(step) if isinstance(data, dict) else None
    return path


def _drop(data: object, path: YamlPath) -> None:
    for step in path[:-1]:
        if not isinstance(data, dict) or step not in data:
            return
        data = data[step]
    if isinstance(data, dict) and path:
        data.pop(path[-1], None)
