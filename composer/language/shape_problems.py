"""What is said of one fault in the shape of a document: its place, its cause and its cure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, get_args

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from composer.language.roles import role_of
from composer.language.schema12 import FLOAT, INT, resolve_scalar, shown
from composer.language.tree import Tree, suggest_key
from composer.language.validation import Form, type_name
from composer.problems import Problem, YamlPath
from composer.problems.suggest import nearest
from composer.types.field_docs import documented, model_at

__all__ = ["is_too_deep", "keys_known_at", "path_of_fault", "shape_problem"]

_WANTED: Mapping[str, str] = {
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
}
"""Type of a pydantic fault to what should stand there."""


def shape_problem(
    fault: ErrorDetails, tree: Tree, data: object, form: Form[BaseModel]
) -> tuple[YamlPath, Problem]:
    """The path of what cannot stay as it is, and what to tell of it."""
    path = path_of_fault(fault["loc"], data)
    if fault["type"] == "extra_forbidden":
        return path, _unknown_key(path, tree, form)
    if fault["type"] == "missing":
        return path[:-1], _missing_key(path, tree, form)
    return path, _wrong_value(path, fault, tree, form)


def _missing_key(path: YamlPath, tree: Tree, form: Form[BaseModel]) -> Problem:
    place = tree.place(path[:-1], key=True)
    message = f"{_describe(path[:-1], form)} needs the key `{path[-1]}`"
    helps: list[str] = []
    if len(path) == 3 and path[0] == "modules" and path[-1] == "uses":
        guess = tree.inherited_like(path[:-1])
        helps += [f"did you mean `{guess}`, a module of the extended document?"] if guess else []
        helps.append(
            "`uses` names a module type; `composer plugins list` shows them. A module that only overrides "
            "another document's must have the same name as there"
        )
    return Problem("C102", "error", message, place, helps=tuple(helps or _meaning(path, form)))


def _wrong_value(path: YamlPath, fault: ErrorDetails, tree: Tree, form: Form[BaseModel]) -> Problem:
    value, what = fault["input"], _describe(path, form)
    wanted = _wanted(path, fault)
    if fault["type"] in _LENGTHS:
        message = f"{what} {_of_another_length(fault)}"
    elif wanted is None:
        message = f"{what}: {fault['msg'].removeprefix('Value error, ')}"
    else:
        by_value = wanted.startswith("one of") or type_name(value) == "a number"
        message = f"{what} must be {wanted}, not {shown(value) if by_value else type_name(value)}"
    helps = tuple(_cures(path, wanted, value, form))
    return Problem("C102", "error", message, tree.place(path), type_name(value), helps=helps)


def _wanted(path: YamlPath, fault: ErrorDetails) -> str | None:
    """What should stand at a path; None where the fault says so itself."""
    if role_of(path) == "output":
        return "a reference `node.port`"
    owner = (path[-1:], role_of(path[:-1]))
    by_key = {
        (("inputs",), "node"): "a map or one reference",
        (("weights",), "module"): "a path, a map or `fresh`",
        (("freeze",), "module"): "true, false or a list of names",
    }
    if owner in by_key:
        return by_key[owner]
    if fault["type"] == "literal_error":
        return f"one of {fault.get('ctx', {}).get('expected', '')}"
    return _WANTED.get(fault["type"], _bound(fault))


def _bound(fault: ErrorDetails) -> str | None:
    """What a number outside its range should be."""
    bounds = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
    return next(
        (f"{bounds[key]} {_plain(value)}" for key, value in fault.get("ctx", {}).items() if key in bounds),
        None,
    )


_LENGTHS = {"too_short": ("min_length", "at least"), "too_long": ("max_length", "at most")}


def _of_another_length(fault: ErrorDetails) -> str:
    """What a list with too few or too many entries should have."""
    key, bound = _LENGTHS[fault["type"]]
    limit, found = fault["ctx"][key], fault["ctx"]["actual_length"]
    return f"must have {bound} {limit} {'entry' if limit == 1 else 'entries'}, not {found}"


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
    if wanted == "a map" and value is None and is_too_deep(path, form):
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
    keys = keys_known_at(path, form)
    of_keys = f" with the keys {', '.join(keys)}" if keys else ""
    return f"write {wanted}{of_keys} here" if wanted else "write another value here"


def _unknown_key(path: YamlPath, tree: Tree, form: Form[BaseModel]) -> Problem:
    known = keys_known_at(path[:-1], form)
    place = tree.place(path, key=True)
    free = [key for key in known if tree.node((*path[:-1], key)) is None]
    meant = suggest_key(str(path[-1]), free, place, alone=tree.text(path) == "")
    what = _describe(path[:-1], form)
    helps = list(meant.helps)
    if not helps and is_too_deep(path[:-1], form):
        helps.append(_less_indent(path[:-1], form))
    elif not helps and "with" in known:
        helps.append("if it is an option, write it under `with: {...}`")
    helps.append(f"the keys here are {', '.join(known)}")
    message = f"{what} has no key `{path[-1]}`"
    return Problem("C101", "error", message, place, "unknown", helps=tuple(helps), fix=meant.fix)


def _less_indent(path: YamlPath, form: Form[BaseModel]) -> str:
    return f"`{path[-1]}` is a key of {_describe(path[:-2], form)}: indent it as far as `{path[-2]}`"


def keys_known_at(path: YamlPath, form: Form[BaseModel]) -> list[str]:
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


def is_too_deep(path: YamlPath, form: Form[BaseModel]) -> bool:
    """Whether the name of a module, task, node or input is a key that belongs one level higher."""
    return len(path) >= 2 and path[-2] in form.sections and path[-1] in keys_known_at(path[:-2], form)


def path_of_fault(loc: YamlPath, data: Any) -> YamlPath:
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
