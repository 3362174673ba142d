"""Faults in the shape of a document: every pydantic message mapped to the place in the YAML that caused it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from composer.language.roles import role_of
from composer.language.schema12 import FLOAT, INT, STR, resolve_scalar, shown
from composer.language.tree import Tree, suggest_key
from composer.language.validation import Form, Shape, type_name
from composer.problems import Findings, Problem, YamlPath
from composer.problems.suggest import nearest
from composer.types.field_docs import documented, model_at

__all__ = ["shaped_in_part"]


_INSTEAD: Mapping[str, tuple[str, ...]] = {"uses": ("average_of",)}
"""What may stand in place of a required key: misspelt, it says already why that one is missing."""


def shaped_in_part(
    form: Form[Shape], data: dict[str, object], tree: Tree, findings: Findings, *, partial: bool
) -> Shape | None:
    """What is left of data once all that is faulty is dropped, as `shaped` gives it back."""
    own = findings.scope()
    claimed: set[tuple[YamlPath, str] | None] = set()
    for _ in range(8):  # each round drops what was faulty; nested faults surface at most a few levels deep
        try:
            return form.model.model_validate(data)
        except ValidationError as error:
            paths: list[YamlPath] = []
            filled: list[YamlPath] = []
            faults = error.errors(include_url=False)
            misspelt = {_meant(f["loc"], data, form) for f in faults if f["type"] == "extra_forbidden"}
            places = [_yaml_path(f["loc"], data) for f in faults]
            outer = {place[:length] for place in places for length in range(len(place))}
            empty = [found for f, found in zip(faults, places, strict=True) if _left_out(f)]
            for fault, found in zip(faults, places, strict=True):
                if found in outer:
                    continue  # the other form that the value might have had: the fault inside says more
                path, problem = _shape_problem(fault, tree, data, form)
                if fault["type"] == "missing" and found[-1] in form.stand_ins:
                    filled.append(found)
                else:
                    paths.append(_without_items(path, data))
                if any(_explains(place, found, fault, data, form) for place in empty):
                    continue
                if fault["type"] == "string_type" and _names_unread(tree, path):
                    continue
                instead = [(*fault["loc"][:-1], key) for key in _INSTEAD.get(str(fault["loc"][-1]), ())]
                explained = partial or bool({fault["loc"], *instead} & set(misspelt))
                explained = explained or findings.is_silent(found)
                if fault["type"] == "missing" and explained:
                    continue  # a missing parent, an unknown key beside it or a wrong value says it already
                claim = (path[:-1], problem.fix[0].text) if problem.fix else None
                if claim and claim in claimed:  # two keys cannot both have been meant to be this one
                    problem = replace(problem, fix=())
                claimed.add(claim)
                if not any(_tells(told, problem, fault) for told in own):
                    findings.add(problem)
            findings.silence(*paths, *(meant for meant in misspelt if meant is not None and len(meant) == 1))
            for path in sorted(set(paths), key=len, reverse=True):
                _drop(data := _copied(data, path), path)
            data = _with_stand_ins(data, filled, form)
    return None


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
    if _too_deep(empty, form) or (key in _known_keys(empty, form) and key not in _known_keys(around, form)):
        return True
    unknown = fault["type"] == "extra_forbidden" and len(path) == len(empty)
    return (
        unknown
        and suggest_key(str(key), [k for k in _known_keys(around, form) if k not in siblings]).word is None
    )


def _names_unread(tree: Tree, path: YamlPath) -> bool:
    """Whether a value that is not a text stands for a name that is none either: `call: 1` beside a module `1`."""
    text = tree.text(path) or ""
    names = {text, text.partition(".")[0]} - {""}
    around = [("modules",), *((*path[:2], section) for section in ("inputs", "nodes"))]
    keys = [tree.find((*w, name))[0] for w in around for name in names if tree.node((*w, name)) is not None]
    return any(key is not None and key.tag != STR for key in keys)


def _too_deep(path: YamlPath, form: Form[BaseModel]) -> bool:
    """Whether the name of a module, task, node or input is a key that belongs one level higher."""
    return len(path) >= 2 and path[-2] in form.sections and path[-1] in _known_keys(path[:-2], form)


def _at(data: object, path: YamlPath) -> Any:
    for step in path:
        data = data.get(step, {}) if isinstance(data, dict) else {}
    return data if isinstance(data, dict) else {}


def _meant(location: YamlPath, data: dict[str, object], form: Form[BaseModel]) -> YamlPath | None:
    """The location of the key that an unknown one most likely means."""
    meant = suggest_key(str(location[-1]), _known_keys(_yaml_path(location, data)[:-1], form)).word
    return (*location[:-1], meant) if meant is not None else None


def _shape_problem(
    fault: ErrorDetails, tree: Tree, data: dict[str, object], form: Form[BaseModel]
) -> tuple[YamlPath, Problem]:
    path = _yaml_path(fault["loc"], data)
    if fault["type"] == "extra_forbidden":
        return path, _unknown_key(path, tree, form)
    if fault["type"] == "missing":
        place = tree.place(path[:-1], key=True)
        what = _describe(path[:-1], form)
        message = f"{what} needs the key `{path[-1]}`"
        helps: list[str] = []
        if len(path) == 3 and path[0] == "modules" and path[-1] == "uses":
            guess = tree.inherited_like(path[:-1])
            helps += [f"did you mean `{guess}`, a module of the extended document?"] if guess else []
            helps.append(
                "`uses` names a module type; `composer plugins list` shows them. A module that only overrides "
                "another document's must have the same name as there"
            )
        helps = helps or _meaning(path, form)
        return path[:-1], Problem("C102", "error", message, place, helps=tuple(helps))
    value = fault["input"]
    wanted = {
        "dict_type": "a map",
        "model_type": "a map",
        "model_attributes_type": "a map",
        "string_type": "text",
        "list_type": "a list",
        "int_type": "a whole number",
        "int_from_float": "a whole number",
        "float_type": "a number",
        "finite_number": "a finite number",
        "bool_type": "true or false",
        "literal_error": f"one of {fault.get('ctx', {}).get('expected', '')}",
    }.get(fault["type"], _bound(fault))
    what = _describe(path, form)
    if path[-1:] == ("inputs",) and role_of(path[:-1]) == "node":
        wanted = "a map or one reference"
    if path[-1:] == ("weights",) and role_of(path[:-1]) == "module":
        wanted = "a path, a map or `fresh`"
    if role_of(path) == "output":
        wanted = "a reference `node.port`"
    if path[-1:] == ("freeze",) and role_of(path[:-1]) == "module":
        wanted = "true, false or a list of names"
    if wanted is None:
        message = f"{what}: {fault['msg'].removeprefix('Value error, ')}"
    else:
        by_value = wanted.startswith("one of") or type_name(value) == "a number"
        message = f"{what} must be {wanted}, not {shown(value) if by_value else type_name(value)}"
    place, label = tree.place(path), type_name(value)
    return path, Problem(
        "C102", "error", message, place, label, helps=tuple(_cures(path, wanted, value, form))
    )


def _bound(fault: ErrorDetails) -> str | None:
    """What a number outside its range should be."""
    bounds = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
    return next(
        (f"{bounds[key]} {_plain(value)}" for key, value in fault.get("ctx", {}).items() if key in bounds),
        None,
    )


def _plain(value: object) -> str:
    """A bound as people write it: pydantic makes 0.0 of the 0 that a number with a fraction has to exceed."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


_NUMBERS = ("a number", "a whole number")


def _cures(path: YamlPath, wanted: str | None, value: object, form: Form[BaseModel]) -> list[str]:
    """What to write where `value` stands and something of another type is `wanted`."""
    helps = []
    if wanted in ("a map", "a map or one reference") and isinstance(value, list):
        helps.append(
            "write `name: {...}` lines instead of `- ...` items: the order of a map does not matter here"
        )
    if path[-2:-1] == ("ranges",) and isinstance(value, (int, list)):
        ends = [end for end in (value if isinstance(value, list) else [value]) if type(end) is int]
        return [f'write a range in quotes: `"{ends[0]}..{ends[-1]}"`'] if ends else []
    if path[-2:-1] == ("ranges",) and value is None:
        helps.append(f'a range with a comma needs quotes: `"1..32, {path[-1]}"`')
    if wanted == "a map" and value is None and _too_deep(path, form):
        helps.append(_less_indent(path, form))
    elif wanted == "a map" and value is None:
        helps.append("remove the key, or indent its content below it")
    if path[-1:] == ("freeze",) and isinstance(value, str):
        helps.append(f"to freeze a part of the module, write a list: `[{value}]`")
    if isinstance(value, str) and value.casefold() in ("none", "null", "nil"):
        nothing = _may_be_nothing(path, form)
        helps.append(f"`{value}` is a text: {'write `null`' if nothing else 'leave the key out'}")
    elif wanted in _NUMBERS and isinstance(value, str) and resolve_scalar(value or "x") in (INT, FLOAT):
        helps.append(f"write it without quotes: `{value}`")
    elif wanted in _NUMBERS and isinstance(value, list) and len(value) == 1:
        helps.append("write the one value without brackets")
    if wanted is not None and wanted.startswith("one of") and isinstance(value, str):
        guess = nearest(value, re.findall(r"'([^']*)'", wanted))
        helps += [f"did you mean `{guess}`?"] if guess is not None else []
    if wanted == "text" and isinstance(value, (int, float, bool)):
        helps.append("put it in quotes if it is meant as text")
    return helps or _meaning(path, form) or [_general_cure(path, wanted, form)]


def _general_cure(path: YamlPath, wanted: str | None, form: Form[BaseModel]) -> str:
    keys = _known_keys(path, form)
    of_keys = f" with the keys {', '.join(keys)}" if keys else ""
    return f"write {wanted}{of_keys} here" if wanted else "write another value here"


def _yaml_path(loc: YamlPath, data: Any) -> YamlPath:
    """A pydantic location without the names of union branches, which are not keys of the document."""
    path: list[str | int] = []
    for step in loc:
        in_list = isinstance(data, list) and isinstance(step, int) and step < len(data)
        if in_list or (isinstance(data, dict) and step in data):
            data = data[step]
            path.append(step)
        elif isinstance(step, str) and (
            step in ("str", "bool", "[key]") or step.startswith(("dict[", "list["))
        ):
            continue
        else:
            path.append(step)
            data = None
    return tuple(path)


def _unknown_key(path: YamlPath, tree: Tree, form: Form[BaseModel]) -> Problem:
    known = _known_keys(path[:-1], form)
    place = tree.place(path, key=True)
    free = [key for key in known if tree.node((*path[:-1], key)) is None]
    meant = suggest_key(str(path[-1]), free, place, alone=tree.text(path) == "")
    what = _describe(path[:-1], form)
    helps = list(meant.helps)
    if not helps and _too_deep(path[:-1], form):
        helps.append(_less_indent(path[:-1], form))
    elif not helps and "with" in known:
        helps.append("if it is an option, write it under `with: {...}`")
    helps.append(f"the keys here are {', '.join(known)}")
    message = f"{what} has no key `{path[-1]}`"
    return Problem("C101", "error", message, place, "unknown", helps=tuple(helps), fix=meant.fix)


def _less_indent(path: YamlPath, form: Form[BaseModel]) -> str:
    return f"`{path[-1]}` is a key of {_describe(path[:-2], form)}: indent it as far as `{path[-2]}`"


def _known_keys(path: YamlPath, form: Form[BaseModel]) -> list[str]:
    model = model_at(form.model, path)
    return [field.alias or name for name, field in model.model_fields.items()] if model else []


def _meaning(path: YamlPath, form: Form[BaseModel]) -> list[str]:
    """What a key is for, as a hint for a value that cannot be its own."""
    model = model_at(form.model, path[:-1])
    field = documented(model).model_fields.get(str(path[-1])) if model else None
    return [f"{path[-1]}: {' '.join(field.description.split())}"] if field and field.description else []


def _may_be_nothing(path: YamlPath, form: Form[BaseModel]) -> bool:
    """Whether `null` says something of its own at a key, which leaving it out does not."""
    model = model_at(form.model, path[:-1])
    field = model.model_fields.get(str(path[-1])) if model else None
    return field is not None and field.default is not None and type(None) in get_args(field.annotation)


def _describe(path: YamlPath, form: Form[BaseModel]) -> str:
    """`("tasks", "qa", "nodes", "frames", "inputs")` reads `inputs of node frames`."""
    if not path:
        return form.whole
    section = form.sections.get(str(path[-2])) if len(path) >= 2 else None
    if section is not None:
        return f"{section} `{path[-1]}`"
    if len(path) == 1:
        return f"`{path[0]}`"
    if isinstance(path[-1], int):
        return f"entry {path[-1] + 1} of {_describe(path[:-1], form)}"
    return f"`{path[-1]}` of {_describe(path[:-1], form)}"


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
